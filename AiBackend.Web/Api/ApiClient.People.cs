using AiBackend.ApiContracts.Tenancy;

namespace AiBackend.Web.Api;

/// <content>Users and keys.</content>
internal sealed partial class ApiClient
{
    /// <summary>Who asks, and as whom.</summary>
    public Task<ApiResult<SessionInfo>> GetSessionAsync(CancellationToken cancellationToken) =>
        GetAsync("api/v1/sessions/current", ClientJson.Lenient.SessionInfo, cancellationToken);

    public Task<ApiResult<UserList>> ListUsersAsync(CancellationToken cancellationToken) =>
        GetAsync("api/v1/users", ClientJson.Lenient.UserList, cancellationToken);

    public Task<ApiResult<User>> AddUserAsync(CreateUserRequest wanted, CancellationToken cancellationToken) =>
        PostAsync("api/v1/users", wanted, ClientJson.Lenient.CreateUserRequest, null, ClientJson.Lenient.User, cancellationToken);

    public Task<ApiResult<User>> ChangeUserAsync(Guid id, ChangeUserRequest change, CancellationToken cancellationToken) =>
        PatchAsync($"api/v1/users/{id}", change, ClientJson.Lenient.ChangeUserRequest, ClientJson.Lenient.User, cancellationToken);

    public Task<ApiResult<KeyList>> ListKeysAsync(CancellationToken cancellationToken) =>
        GetAsync("api/v1/keys", ClientJson.Lenient.KeyList, cancellationToken);

    public Task<ApiResult<NewKey>> AddKeyAsync(CreateKeyRequest wanted, CancellationToken cancellationToken) =>
        PostAsync("api/v1/keys", wanted, ClientJson.Lenient.CreateKeyRequest, null, ClientJson.Lenient.NewKey, cancellationToken);

    public Task<ApiResult<NewKey>> RollKeyAsync(string id, RollKeyRequest how, CancellationToken cancellationToken) =>
        PostAsync(KeyPath(id) + "/roll", how, ClientJson.Lenient.RollKeyRequest, null, ClientJson.Lenient.NewKey, cancellationToken);

    public Task<ApiResult<Nothing>> RevokeKeyAsync(string id, CancellationToken cancellationToken) =>
        DeleteAsync(KeyPath(id), cancellationToken);

    private static string KeyPath(string id) => "api/v1/keys/" + Uri.EscapeDataString(id);
}
