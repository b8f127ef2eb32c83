using AiBackend.Core.DeadLetters.Bulk;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tenancy.Users;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.DeadLetters;

// Whoever began an action has to be allowed to, for as long as it runs.
public sealed partial class BulkTests
{
    [Theory]
    [InlineData("UPDATE api_keys SET revoked_at = now()")]
    [InlineData("UPDATE api_keys SET scopes = '{jobs:read}'")]
    public async Task A_78_an_action_whose_key_is_revoked_or_loses_its_scope_in_the_middle_begins_nothing_more(string change)
    {
        await DieAsync(5);
        var key = ApiKey.Create(live: false);
        await Core.Get<ApiKeyStore>().AddAsync(key, Tenant, "test", ["*"], TestRun.Cancel);
        var id = await BeginAsync(BulkKind.Discard, canary: false, rate: 4, key.Id);
        await StepAsync();
        await Core.ExecuteAsync(change, Guid.Empty);

        await StepAsync();

        var action = await FindAsync(id);
        Assert.Equal(("cancelled", 1L, 4L), (action.Status, action.Done, action.Waiting));
    }

    [Theory]
    [InlineData("UPDATE users SET role = 0 WHERE id = @id", "cancelled")]
    [InlineData("UPDATE users SET disabled_at = now() WHERE id = @id", "cancelled")]
    [InlineData("DELETE FROM users WHERE id = @id", "cancelled")]
    [InlineData("UPDATE users SET role = 1 WHERE id = @id", "running")]
    public async Task A_78_an_action_whose_user_loses_the_role_in_the_middle_begins_nothing_more(string change, string status)
    {
        await DieAsync(5);
        var user = Guid.CreateVersion7();
        await Core.ExecuteAsync(
            $"INSERT INTO users (id, organisation_id, email, name, role, password) VALUES (@id, '{Tenant}', @id::text, 'Ada', 2, '')",
            user
        );
        var id = await BeginAsync(BulkKind.Discard, canary: false, rate: 4, UserRecord.ActorOf(user));
        await StepAsync();
        await Core.ExecuteAsync(change, user);

        await StepAsync();

        Assert.Equal((status, status == "running" ? 2L : 1L), ((await FindAsync(id)).Status, (await FindAsync(id)).Done));
    }
}
