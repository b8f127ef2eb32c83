using AiBackend.Core.Tenancy;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Jobs;

namespace AiBackend.Tests.Tenancy;

public sealed class DevelopmentKeyTests(PostgresServer postgres, RedisServer redis) : CoreTests(postgres, redis), IClassFixture<RedisServer>
{
    [Fact]
    public async Task The_key_file_is_private_keeps_its_key_and_works()
    {
        var path = Path.Combine(TestFolder.Create("key"), "state", "dev-api-key");
        var development = Core.Get<DevelopmentKey>();

        await development.EnsureAsync(path, TestRun.Cancel);
        var first = await File.ReadAllTextAsync(path, TestRun.Cancel);
        await development.EnsureAsync(path, TestRun.Cancel);

        Assert.Equal(first, await File.ReadAllTextAsync(path, TestRun.Cancel));
        Assert.EndsWith("\n", first, StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        var caller = await Core.Get<ApiKeyStore>().FindCallerAsync(first.Trim(), TestRun.Cancel);
        Assert.Equal(ApiKeyStore.DefaultTenant, caller!.TenantId);
        TestFolder.Remove(Path.GetDirectoryName(Path.GetDirectoryName(path))!);
    }

    [Fact]
    public async Task A_8_a_revoked_key_stops_working_within_five_seconds()
    {
        var key = ApiKey.Create(live: false);
        var clock = new FakeTime();
        var keys = new ApiKeyStore(Core.Database, Core.Get<Microsoft.Extensions.Options.IOptions<TenancyOptions>>(), clock);
        await keys.AddAsync(key, ApiKeyStore.DefaultTenant, "test", ["*"], TestRun.Cancel);
        Assert.NotNull(await keys.FindCallerAsync(key.Text, TestRun.Cancel));

        await using (var revoke = Core.Database.CreateCommand("UPDATE api_keys SET revoked_at = now()"))
        {
            await revoke.ExecuteNonQueryAsync(TestRun.Cancel);
        }

        clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Null(await keys.FindCallerAsync(key.Text, TestRun.Cancel));
    }
}
