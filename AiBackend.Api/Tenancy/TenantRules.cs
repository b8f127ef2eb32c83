using System.Text.RegularExpressions;
using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Tenancy;
using AiBackend.Core.Queue;
using AiBackend.Core.Retention;
using AiBackend.Core.Tenancy;
using Microsoft.Extensions.Options;

namespace AiBackend.Api.Tenancy;

/// <summary>What an organisation or a tenant may be.</summary>
internal sealed partial class TenantRules(QueueTiers tiers, IOptions<RetentionOptions> retention)
{
    // Where the installation keeps everything.
    private const int MostDays = 3_650;

    private const int MostName = 100;
    private const long MostQueued = 100_000_000;
    private const int MostReserved = 10_000;

    /// <returns>Why there can be no such organisation, or null.</returns>
    public static Refusal? Check(CreateOrganisationRequest request)
    {
        var errors = new FieldErrors();
        CheckSlug(request.Slug, errors);
        errors.CheckText("name", request.Name, MostName);
        return errors.ToRefusal();
    }

    /// <returns>Why there can be no such tenant, or null; then <paramref name="wanted"/> is set.</returns>
    public Refusal? CheckNew(CreateTenantRequest request, Caller caller, OrganisationRecord organisation, out TenantRecord wanted)
    {
        var errors = new FieldErrors();
        CheckSlug(request.Slug, errors);
        wanted = Apply(
            new ChangeTenantRequest
            {
                Name = request.Name,
                Tier = request.Tier,
                MaxQueued = request.MaxQueued,
                MaxRunning = request.MaxRunning,
                ReservedSlots = request.ReservedSlots,
            },
            new TenantRecord
            {
                Id = Guid.CreateVersion7(),
                Slug = request.Slug ?? "",
                Name = request.Slug ?? "",
                Organisation = organisation.Slug,
                OrganisationId = organisation.Id,
                Tier = QueueTiers.Standard,
            },
            errors
        );
        return errors.ToRefusal()
            ?? RefuseOperatorsPart(caller, request.Tier, request.MaxQueued, request.MaxRunning, request.ReservedSlots);
    }

    /// <returns>Why it cannot be changed so, or null; then <paramref name="wanted"/> is set.</returns>
    public Refusal? CheckChange(
        ChangeTenantRequest request,
        Caller caller,
        TenantRecord tenant,
        DateTimeOffset now,
        out TenantRecord wanted
    )
    {
        var errors = new FieldErrors();
        wanted = Apply(request, tenant, errors) with
        {
            DisabledAt = request.Disabled switch
            {
                null => tenant.DisabledAt,
                true => tenant.DisabledAt ?? now,
                false => null,
            },
        };
        if (request.Disabled == true && tenant.Id == ApiKeyStore.DefaultTenant)
        {
            errors.Add("disabled", "is true, but the operators' own tenant cannot be disabled: nobody could enable it again.");
        }

        return errors.ToRefusal()
            ?? RefuseOperatorsPart(caller, request.Tier, request.MaxQueued, request.MaxRunning, request.ReservedSlots);
    }

    /// <summary>What a tenant gets of what all share is not for the tenant to say.</summary>
    private static Refusal? RefuseOperatorsPart(Caller caller, string? tier, long? maxQueued, long? maxRunning, int? reservedSlots) =>
        caller.IsOperator() || (tier is null && maxQueued is null && maxRunning is null && reservedSlots is null)
            ? null
            : ProblemTypes.MissingScope.With(
                "Only a key of the operators' tenant, default, sets tier, max_queued, max_running and reserved_slots. Leave them out."
            );

    private TenantRecord Apply(ChangeTenantRequest change, TenantRecord tenant, FieldErrors errors)
    {
        errors.CheckText("name", change.Name, MostName);
        errors.CheckRange("max_queued", change.MaxQueued, 0, MostQueued);
        errors.CheckRange("max_running", change.MaxRunning, 0, MostQueued);
        errors.CheckRange("reserved_slots", change.ReservedSlots, 0, MostReserved);
        var mostDays = retention.Value.Jobs == TimeSpan.Zero ? MostDays : (int)retention.Value.Jobs.TotalDays;
        errors.CheckRange("content_days", change.ContentDays, 0, mostDays);
        if (change.Tier is { } tier && !tiers.Knows(tier))
        {
            errors.Add("tier", $"is {Quoted.Of(tier)}; it must be one of {string.Join(", ", tiers.Names)}.");
        }

        return tenant with
        {
            Name = change.Name ?? tenant.Name,
            Tier = change.Tier ?? tenant.Tier,
            MaxQueued = change.MaxQueued switch
            {
                null => tenant.MaxQueued,
                0 => null,
                var most => most,
            },
            MaxRunning = change.MaxRunning switch
            {
                null => tenant.MaxRunning,
                0 => null,
                var most => most,
            },
            ReservedSlots = change.ReservedSlots ?? tenant.ReservedSlots,
            ContentDays = change.ContentDays switch
            {
                null => tenant.ContentDays,
                0 => null,
                var days => days,
            },
        };
    }

    private static void CheckSlug(string? slug, FieldErrors errors)
    {
        if (slug is null || !Slug().IsMatch(slug))
        {
            errors.Add(
                "slug",
                $"is {(slug is null ? "missing" : Quoted.Of(slug))}; it takes 1 to 63 lower-case letters, digits and hyphens, and begins with a letter or digit."
            );
        }
    }

    [GeneratedRegex("^[a-z0-9][a-z0-9-]{0,62}$", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Slug();
}
