using AiBackend.ApiContracts.Tenancy;

namespace AiBackend.Web.Keys;

/// <summary>What the page of keys shows, taken at one moment.</summary>
/// <param name="Keys">Those that count first, newest first.</param>
public sealed record KeysSnapshot(IReadOnlyList<Key> Keys);
