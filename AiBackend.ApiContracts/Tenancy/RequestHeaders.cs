namespace AiBackend.ApiContracts.Tenancy;

/// <summary>What a request may say about itself in headers of this API.</summary>
public static class RequestHeaders
{
    /// <summary>Slug of the tenant that the request is meant for; one whose key or session works in another is refused.</summary>
    public const string Tenant = "X-AiBackend-Tenant";
}
