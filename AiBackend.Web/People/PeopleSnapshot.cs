using AiBackend.ApiContracts.Tenancy;

namespace AiBackend.Web.People;

/// <summary>What the page of users shows, taken at one moment.</summary>
/// <param name="Organisation">Whose they are.</param>
/// <param name="Projects">How many projects they reach.</param>
/// <param name="Users">By address.</param>
public sealed record PeopleSnapshot(string Organisation, int Projects, IReadOnlyList<User> Users);
