using AiBackend.Tests.Api;
using AiBackend.Tests.Audit;
using AiBackend.Tests.Knowledge;
using AiBackend.Tests.Tenancy;

namespace AiBackend.Tests.Guards;

/// <summary>What a key or a person may hand out: keys, users, roles.</summary>
internal static class KeyGuards
{
    // In two parts: the whole would look like a path of one machine.
    private const string Users = "AiBackend.Api/Users";

    private const string NoMore = nameof(KeyApiTests.A_key_makes_none_that_may_do_more_than_itself);
    private const string NotAbove = nameof(KeyApiTests.A_key_neither_rolls_nor_loosens_one_that_may_do_more_and_not_itself_but_may_revoke);
    private const string Life = nameof(KeyLifeTests.D_3_a_key_gives_no_other_a_longer_life_than_its_own_and_who_signed_in_may);
    private const string Models = nameof(KeyApiTests.A_key_that_is_bound_to_models_submits_for_no_other);
    private const string Setup = nameof(SetupTests.D_2_who_has_the_token_or_a_key_makes_the_first_administrator_once_and_a_stranger_none);
    private const string FirstUser = nameof(
        SessionTests.A_key_of_another_organisation_makes_its_first_user_only_and_one_that_is_bound_makes_none
    );
    private const string Organisation = nameof(
        SessionTests.A_user_of_another_organisation_works_in_its_projects_only_and_runs_nothing_that_all_share
    );
    private const string Roles = nameof(
        SessionTests.Nobody_makes_somebody_who_may_do_more_and_an_administrator_changes_everybody_but_himself
    );
    private const string Beside = nameof(SessionTests.A_17_a_key_beside_the_operators_makes_no_operator_and_runs_nothing_that_all_share);

    public static IEnumerable<Guard> List { get; } =
    [
        .. AllGuards.In(
            "AiBackend.Api/Tenancy/KeyBounds.cs",
            ("scope == Policies.Everything ? [[!HasAll(caller)]] :", "false", NoMore),
            (": [[!caller.Has(scope)]]) is { } scope", "false", NoMore),
            ("if ([[!AreWithin(wanted.AllowedModels, caller.AllowedModels, ModelList.Covers)]])", "false", NoMore),
            (
                "if ([[!AreWithin(wanted.AllowedNetworks, caller.AllowedNetworks?.Select(network => network.ToString()), NetworkCovers)]])",
                "false",
                NoMore
            ),
            ("if ([[caller.HighestPriority is { } highest && (wanted.HighestPriority ?? -1) < highest]])", "false", NoMore),
            ("[[IsMore(wanted.Limits.RequestsPerMinute, own.RequestsPerMinute)]] ||", "false", NoMore),
            ("[[IsMore(wanted.Limits.TokensPerMinute, own.TokensPerMinute)]] ||", "false", NoMore),
            ("[[IsMore(wanted.Limits.MaxQueued, own.MaxQueued)]] ||", "false", NoMore),
            ("[[IsMore(wanted.Limits.MaxRunning, own.MaxRunning)]] ?", "false", NoMore),
            ("if ([[isAsked]])", "false", Life)
        ),
        .. AllGuards.In(
            "AiBackend.Api/Tenancy/KeyRequests.cs",
            ("[[refusal ??= KeyBounds.Check(caller, wanted);]]", "", NoMore),
            ("[[refusal ??= KeyBounds.Check(context.User.GetCaller(), key!);]]", "", NotAbove),
            ("[[refusal ??= KeyBounds.Check(context.User.GetCaller(), wanted);]]", "", NotAbove),
            ("[[refusal ??= KeyBounds.Check(caller, old!);]]", "", NotAbove),
            (
                "[[refusal ??= KeyBounds.BoundLife(caller, request.ExpiresInDays is not null, ref expiresAt);]] if (refusal is null) { wanted",
                "",
                Life
            ),
            (
                "[[refusal ??= KeyBounds.BoundLife(caller, request.ExpiresInDays is not null, ref expiresAt);]] if (refusal is null) { var key",
                "",
                Life
            )
        ),
        .. AllGuards.In(
            "AiBackend.Api/Jobs/Submitting/CallerRights.cs",
            ("=> [[caller.MayAskFor(model)]] ?", "true", Models),
            (
                "place is null || [[caller.Has(Policies.ReadKnowledge)]]",
                "true",
                nameof(KnowledgeApiTests.A_10_a_job_gives_its_model_what_its_key_may_read)
            )
        ),
        .. AllGuards.In(
            "AiBackend.Api/DeadLetters/ReplayJobRequest.cs",
            (
                "?? [[CallerRights.RefuseRetrieval(caller, JobTerms.Read(order.Terms ?? source.Terms))]];",
                "null",
                nameof(ReplayApiTests.A_10_what_a_key_may_not_submit_it_may_not_replay)
            )
        ),
        .. AllGuards.In(Users + "/SessionRequests.cs", ("caller.Scopes, [[caller.IsOperator()]]", "true", Organisation)),
        .. AllGuards.In(
            Users + "/SetupRequests.cs",
            ("is { } caller && [[caller.IsOperator()]] &&", "true", Setup),
            ("&& [[caller.Has(Policies.WriteUsers)]]", "true", Setup),
            (": [[await setup.IsRightAsync(token, cancellationToken)]];", "true", Setup)
        ),
        .. AllGuards.In(
            Users + "/UserRequests.cs",
            ("?? [[CheckKey(caller)]] ?? CheckRole(caller, user);", "null", FirstUser),
            ("?? [[CheckRole(caller, user)]];", "null", Roles),
            ("var onlyFirst = [[caller.UserId is null && !caller.IsOperator()]];", "false", FirstUser),
            ("users.ListAsync([[caller.IsOperator()]] ? null : caller.OrganisationId, id,", "true", Organisation),
            ("?? [[CheckKey(caller)]] ?? (caller.UserId is null", "null", Beside),
            ("?? ([[caller.UserId is null && !caller.IsOperator()]] ? RefuseKey(caller) : null)", "false", FirstUser),
            ("?? [[CheckRole(caller, user!)]]", "null", Roles),
            ("?? [[CheckRole(caller, changed)]]", "null", Roles),
            ("FirstOrDefault(scope => [[!caller.Has(scope)]])", "false", Roles),
            ("=> [[caller.IsBesideOperators()]] ?", "false", Beside),
            (
                ": [[caller is { AllowedNetworks: null, AllowedModels: null, HighestPriority: null } && caller.Limits == KeyLimits.None]] ? null",
                "true",
                FirstUser
            )
        ),
        .. AllGuards.In(
            Users + "/UserRules.cs",
            ("if ([[caller.UserId == user.Id && (changed.Role != user.Role || changed.DisabledAt is not null)]])", "false", Roles)
        ),
        .. AllGuards.In(
            "AiBackend.Api/Audit/AuditRequests.cs",
            (
                "[[context.User.GetCaller().IsOperator()]] ? null",
                "true",
                nameof(AuditLogTests.A_1_a_tenant_sees_its_own_rows_only_and_operators_all)
            )
        ),
    ];
}
