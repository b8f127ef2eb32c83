using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Tenancy;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tenancy.Users;

namespace AiBackend.Api.Users;

/// <summary>What a user may be.</summary>
internal static class UserRules
{
    public const int MostPassword = 200;
    public const int MostEmail = 200;
    private const int LeastPassword = 12;
    private const int MostName = 100;

    /// <returns>Why there can be no such user, or null; then <paramref name="user"/> is set.</returns>
    public static Refusal? CheckNew(CreateUserRequest request, Guid organisationId, out UserRecord user)
    {
        var errors = new FieldErrors();
        var email = request.Email?.Trim().ToLowerInvariant() ?? "";
        if (
            email.Length > MostEmail
            || email.IndexOf('@') is var at && (at <= 0 || at != email.LastIndexOf('@') || at == email.Length - 1)
            || email.Any(IsOdd)
        )
        {
            errors.Add(
                "email",
                $"is {(request.Email is null ? "missing" : Quoted.Of(request.Email))}; it must be an address such as ada@example.com."
            );
        }

        errors.CheckText("name", request.Name, MostName);
        CheckPassword(request.Password ?? "", errors);
        var role = ReadRole(request.Role ?? "", errors);
        user = new UserRecord
        {
            Id = Guid.CreateVersion7(),
            OrganisationId = organisationId,
            Email = email,
            Name = request.Name ?? email,
            Role = role,
        };
        return errors.ToRefusal();
    }

    /// <returns>Why it cannot be changed so, or null; then <paramref name="changed"/> is set.</returns>
    public static Refusal? CheckChange(
        ChangeUserRequest request,
        UserRecord user,
        Caller caller,
        DateTimeOffset now,
        out UserRecord changed
    )
    {
        var errors = new FieldErrors();
        errors.CheckText("name", request.Name, MostName);
        if (request.Password is { } password)
        {
            CheckPassword(password, errors);
        }

        changed = user with
        {
            Name = request.Name ?? user.Name,
            Role = request.Role is { } role ? ReadRole(role, errors) : user.Role,
            DisabledAt = request.Disabled switch
            {
                null => user.DisabledAt,
                true => user.DisabledAt ?? now,
                false => null,
            },
        };
        if (caller.UserId == user.Id && (changed.Role != user.Role || changed.DisabledAt is not null))
        {
            // The last administrator would lock everybody out.
            errors.Add(request.Disabled == true ? "disabled" : "role", "is about yourself; have another administrator change it.");
        }

        return errors.ToRefusal();
    }

    private static bool IsOdd(char character) => char.IsWhiteSpace(character) || char.IsControl(character);

    private static void CheckPassword(string password, FieldErrors errors)
    {
        if (password.Length is < LeastPassword or > MostPassword)
        {
            errors.Add("password", $"has {password.Length} characters; it takes {LeastPassword} to {MostPassword}.");
        }
    }

    private static UserRole ReadRole(string name, FieldErrors errors)
    {
        if (!UserRoles.TryParse(name, out var role))
        {
            errors.Add(
                "role",
                $"is {(name.Length == 0 ? "missing" : Quoted.Of(name))}; it must be one of {string.Join(", ", UserRoles.All)}."
            );
        }

        return role;
    }
}
