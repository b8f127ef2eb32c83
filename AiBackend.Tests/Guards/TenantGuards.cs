using AiBackend.Tests.Api;
using AiBackend.Tests.Privacy;
using AiBackend.Tests.Tenancy;

namespace AiBackend.Tests.Guards;

/// <summary>What is another tenant's, or of all tenants.</summary>
/// <remarks>That statements keep to their tenant is not here: behind the condition of each stands the wall of Postgres (TenantWallTests).</remarks>
internal static class TenantGuards
{
    private const string Alerts = nameof(
        AlertApiTests.An_alert_that_concerns_every_tenant_is_seen_by_all_and_acknowledged_by_operators_only
    );
    private const string Beside = nameof(SessionTests.A_17_a_key_beside_the_operators_makes_no_operator_and_runs_nothing_that_all_share);
    private const string Takes = nameof(SessionTests.A_17_who_works_beside_the_operators_takes_no_data_of_theirs_along);
    private const string Organisation = nameof(
        SessionTests.A_user_of_another_organisation_works_in_its_projects_only_and_runs_nothing_that_all_share
    );
    private const string Reason = nameof(TenantDataTests.A_69_an_operator_takes_a_tenants_data_with_a_reason_only_and_the_tenant_reads_it);
    private const string Look = nameof(
        ForeignLookTests.A_69_an_operator_sees_a_tenants_content_with_a_reason_only_and_the_tenant_reads_who_and_why
    );
    private const string Worker = nameof(
        AnswerMembersTests.A_16_which_worker_ran_a_job_is_told_to_operators_who_may_list_workers_and_to_no_tenant
    );
    private const string Others = nameof(
        TenantApiTests.Others_see_and_make_tenants_of_their_organisation_only_and_decide_nothing_that_all_share
    );

    public static IEnumerable<Guard> List { get; } =
    [
        .. AllGuards.In(
            "AiBackend.Api/DeadLetters/Alerts/AlertRequests.cs",
            ("[[caller.IsOperator()]] && caller.Has(Policies.WriteOperations)", "true", Alerts),
            ("&& [[caller.Has(Policies.WriteOperations)]]", "true", Alerts)
        ),
        .. AllGuards.In(
            "AiBackend.Api/Money/BudgetRequests.cs",
            ("BudgetScope.Global && [[!context.User.GetCaller().IsOperator()]]", "false", Beside)
        ),
        .. AllGuards.In(
            "AiBackend.Api/Jobs/GetJobTrace.cs",
            ("=> [[caller.IsOperator()]] &&", "true", Worker),
            ("&& [[caller.Has(Policies.ReadOperations)]] ?", "true", Worker)
        ),
        .. AllGuards.In(
            "AiBackend.Api/Privacy/ExportTenant.cs",
            (
                "return [[context.User.GetCaller().Has(Policies.ReadJobs)]] ?",
                "true",
                nameof(TenantExportTests.A_10_an_export_takes_the_scope_of_its_content_too)
            ),
            ("if ([[tenant.Id != context.GetTenantId() && context.User.GetCaller().IsOperator()]])", "false", Reason)
        ),
        .. AllGuards.In(
            "AiBackend.Api/Privacy/OperatorLook.cs",
            (
                "if ([[!context.User.GetCaller().Has(Policies.WriteOperations)]])",
                "false",
                nameof(ForeignLookTests.A_69_a_key_of_the_operators_that_may_only_read_its_own_jobs_sees_nobody_elses)
            ),
            ("if ([[string.IsNullOrWhiteSpace(reason) || reason.Length > LongestReason]])", "false", Look)
        ),
        .. AllGuards.In(
            "AiBackend.Api/Privacy/TenantDeletionRequests.cs",
            ("FindAsync(slug, [[caller.IsOperator()]] ? null", "true", Organisation),
            (
                ": [[caller.IsOperator() || caller.UserId is not null]] ? null",
                "true",
                nameof(DeletedTenantTests.A_tenant_is_deleted_by_who_signed_in_or_runs_the_installation_and_says_it_twice)
            )
        ),
        .. AllGuards.In(
            "AiBackend.Api/Privacy/TenantOfAddress.cs",
            ("ListAsync([[caller.IsOperator()]] ? null", "true", Organisation),
            (": [[caller.IsOperator()]] ||", "false", Reason),
            ("caller.UserId is not null && [[!caller.IsBesideOperators()]]", "true", Takes)
        ),
        .. AllGuards.In(
            "AiBackend.Api/Tenancy/TenantOf.cs",
            (
                "name is not null && [[!context.User.GetCaller().IsOperator()]]",
                "false",
                nameof(KeyApiTests.A_1_another_tenants_keys_are_like_none_and_operators_name_a_tenant)
            )
        ),
        .. AllGuards.In(
            "AiBackend.Api/Tenancy/TenantRequests.cs",
            ("?? ( [[context.User.GetCaller().IsOperator()]] ?", "true", Others),
            ("=> [[caller.IsBesideOperators()]] ?", "false", Beside),
            ("is var caller && [[caller.IsOperator()]] ? null", "true", Others),
            (
                "slug is null && [[caller.IsOperator()]]",
                "false",
                nameof(TenantApiTests.A_15_a_tenant_that_cannot_be_is_refused_with_the_remedy)
            )
        ),
        .. AllGuards.In("AiBackend.Api/Tenancy/TenantRules.cs", ("=> [[caller.IsOperator()]] || (tier is null", "true", Others)),
    ];
}
