using System.Text.RegularExpressions;
using AiBackend.Tests.Api;
using AiBackend.Tests.Audit;
using AiBackend.Tests.Egress;
using AiBackend.Tests.Privacy;
using AiBackend.Tests.Tenancy;
using AiBackend.Tests.Tools;
using AiBackend.Tests.Webhooks;

namespace AiBackend.Tests.Architecture;

/// <summary>No guard is taken out, or put in, unseen.</summary>
/// <remarks>
/// That an endpoint names its policy is in SurfaceTests. These are the calls that decide within one or in front of all, and what may be connected to. Each
/// has its test; whoever adds a call sees that test fail without it, and puts it here in the order of the file.
/// </remarks>
public sealed partial class GuardCallTests
{
    private static readonly Dictionary<string, string[]> Tests = new(StringComparer.Ordinal)
    {
        ["ApiHost.cs"] =
        [
            nameof(HubDoorTests.D_6_A_21_no_page_of_another_origin_connects),
            nameof(AttemptLimitTests.D_13_an_address_has_so_many_requests_with_whatever_keys_and_other_addresses_have_theirs),
            nameof(TenantSwitchTests.A_key_of_another_tenant_than_the_one_that_is_meant_is_refused),
        ],
        ["AuditRequests.cs"] = [nameof(AuditLogTests.A_1_a_tenant_sees_its_own_rows_only_and_operators_all)],
        ["Admittance.cs"] =
        [
            nameof(HubDoorTests.D_6_A_14_a_connection_whose_key_was_revoked_or_may_read_no_jobs_from_there_reads_nothing_more),
            nameof(HubDoorTests.D_6_A_14_a_connection_whose_key_was_revoked_or_may_read_no_jobs_from_there_reads_nothing_more),
        ],
        ["ApiKeyHandler.cs"] = [nameof(KeyApiTests.D_3_a_key_counts_only_from_the_networks_it_is_bound_to)],
        ["Callers.cs"] = [nameof(StreamTicketTests.A_3_a_ticket_of_a_key_that_may_read_no_more_opens_nothing)],
        ["Policies.cs"] =
        [
            nameof(AuthenticationTests.A_10_a_key_may_do_what_its_scopes_say_and_nothing_else),
            nameof(SessionTests.A_17_a_key_beside_the_operators_makes_no_operator_and_runs_nothing_that_all_share),
            nameof(AuthenticationTests.A_10_a_key_may_do_what_its_scopes_say_and_nothing_else),
            nameof(SessionTests.A_17_a_key_beside_the_operators_makes_no_operator_and_runs_nothing_that_all_share),
        ],
        ["AlertRequests.cs"] =
        [
            nameof(AlertApiTests.An_alert_that_concerns_every_tenant_is_seen_by_all_and_acknowledged_by_operators_only),
            nameof(AlertApiTests.An_alert_that_concerns_every_tenant_is_seen_by_all_and_acknowledged_by_operators_only),
        ],
        ["JobWebhookRules.cs"] = [nameof(WebhookApiTests.A_30_A_31_an_address_that_may_not_be_written_is_refused_wherever_it_is)],
        ["BudgetRequests.cs"] = [nameof(SessionTests.A_17_a_key_beside_the_operators_makes_no_operator_and_runs_nothing_that_all_share)],
        ["ExportTenant.cs"] =
        [
            nameof(TenantExportTests.A_10_an_export_takes_the_scope_of_its_content_too),
            nameof(TenantDataTests.A_69_an_operator_takes_a_tenants_data_with_a_reason_only_and_the_tenant_reads_it),
        ],
        ["GetJobTrace.cs"] =
        [
            nameof(AnswerMembersTests.A_16_which_worker_ran_a_job_is_told_to_operators_who_may_list_workers_and_to_no_tenant),
            nameof(AnswerMembersTests.A_16_which_worker_ran_a_job_is_told_to_operators_who_may_list_workers_and_to_no_tenant),
        ],
        ["OperatorLook.cs"] = [nameof(ForeignLookTests.A_69_a_key_of_the_operators_that_may_only_read_its_own_jobs_sees_nobody_elses)],
        ["TenantDeletionRequests.cs"] =
        [
            nameof(SessionTests.A_user_of_another_organisation_works_in_its_projects_only_and_runs_nothing_that_all_share),
            nameof(DeletedTenantTests.A_tenant_is_deleted_by_who_signed_in_or_runs_the_installation_and_says_it_twice),
        ],
        ["TenantOfAddress.cs"] =
        [
            nameof(SessionTests.A_user_of_another_organisation_works_in_its_projects_only_and_runs_nothing_that_all_share),
            nameof(TenantDataTests.A_69_an_operator_takes_a_tenants_data_with_a_reason_only_and_the_tenant_reads_it),
            nameof(SessionTests.A_17_who_works_beside_the_operators_takes_no_data_of_theirs_along),
        ],
        ["KeyBounds.cs"] = [nameof(KeyApiTests.A_key_makes_none_that_may_do_more_than_itself)],
        ["TenantOf.cs"] = [nameof(KeyApiTests.A_1_another_tenants_keys_are_like_none_and_operators_name_a_tenant)],
        ["TenantRequests.cs"] =
        [
            nameof(TenantApiTests.Others_see_and_make_tenants_of_their_organisation_only_and_decide_nothing_that_all_share),
            nameof(SessionTests.A_17_a_key_beside_the_operators_makes_no_operator_and_runs_nothing_that_all_share),
            nameof(TenantApiTests.Others_see_and_make_tenants_of_their_organisation_only_and_decide_nothing_that_all_share),
            nameof(TenantApiTests.A_15_a_tenant_that_cannot_be_is_refused_with_the_remedy),
        ],
        ["TenantRules.cs"] =
        [
            nameof(TenantApiTests.Others_see_and_make_tenants_of_their_organisation_only_and_decide_nothing_that_all_share),
        ],
        ["ToolFields.cs"] =
        [
            nameof(ToolApiTests.What_a_tool_may_not_be_is_refused_by_name),
            nameof(ToolApiTests.What_a_tool_may_not_be_is_refused_by_name),
        ],
        ["SessionRequests.cs"] =
        [
            nameof(SessionTests.A_user_of_another_organisation_works_in_its_projects_only_and_runs_nothing_that_all_share),
        ],
        ["SetupRequests.cs"] =
        [
            nameof(SetupTests.D_2_who_has_the_token_or_a_key_makes_the_first_administrator_once_and_a_stranger_none),
            nameof(SetupTests.D_2_who_has_the_token_or_a_key_makes_the_first_administrator_once_and_a_stranger_none),
        ],
        ["UserRequests.cs"] =
        [
            nameof(SessionTests.A_key_of_another_organisation_makes_its_first_user_only_and_one_that_is_bound_makes_none),
            nameof(SessionTests.A_user_of_another_organisation_works_in_its_projects_only_and_runs_nothing_that_all_share),
            nameof(SessionTests.A_key_of_another_organisation_makes_its_first_user_only_and_one_that_is_bound_makes_none),
            nameof(SessionTests.Nobody_makes_somebody_who_may_do_more_and_an_administrator_changes_everybody_but_himself),
            nameof(SessionTests.A_17_a_key_beside_the_operators_makes_no_operator_and_runs_nothing_that_all_share),
        ],
        ["WebhookRules.cs"] = [nameof(WebhookApiTests.A_30_A_31_an_address_that_may_not_be_written_is_refused_wherever_it_is)],
        ["EgressClient.cs"] =
        [
            nameof(EgressConnectTests.A_30_A_31_what_may_not_be_written_is_not_sent_either_and_nobody_is_asked_for_its_address),
        ],
        ["EgressDial.cs"] = [nameof(EgressConnectTests.A_31_A_32_a_name_with_one_bad_address_is_refused_whatever_the_others_are)],
        ["EgressHandler.cs"] =
        [
            nameof(EgressConnectTests.A_30_A_31_what_may_not_be_written_is_not_sent_either_and_nobody_is_asked_for_its_address),
        ],
    };

    [Fact]
    public async Task A_38_every_call_of_a_guard_has_a_test_that_was_seen_to_fail_without_it()
    {
        var calls = (await Repository.FilesAsync())
            .Where(path => Shipped().IsMatch(path))
            .GroupBy(path => Path.GetFileName(path), path => Guard().Count(Comment().Replace(Repository.Read(path), "")))
            .ToDictionary(file => file.Key, file => file.Sum(), StringComparer.Ordinal);

        var others = calls
            .Keys.Union(Tests.Keys)
            .Select(file => (file, Calls: calls.GetValueOrDefault(file), Tests: Tests.GetValueOrDefault(file)?.Length ?? 0))
            .Where(each => each.Calls != each.Tests);

        Findings.None(
            "A guard was taken out or put in. See its test fail without it, and say here which one it is.",
            others.Select(each => $"{each.file}: {each.Calls} calls, {each.Tests} tests")
        );
    }

    /// <summary>Who may do it, from where, and where to.</summary>
    [GeneratedRegex(
        @"\begress\.Check\(|\b_?rules\.(Fault|MayConnect)\(|\.IsOperator\(\)|\.IsBesideOperators\(\)|(\bcaller|GetCaller\(\))\.Has\(|\.Meets\(|\.MayComeFrom\(|HubDoor\.CheckOriginAsync|MeantTenant\.CheckAsync|<AddressLimits>\(\)\.InvokeAsync",
        RegexOptions.ExplicitCapture
    )]
    private static partial Regex Guard();

    [GeneratedRegex(@"^\s*//.*$", RegexOptions.Multiline)]
    private static partial Regex Comment();

    [GeneratedRegex(@"^AiBackend\.(Api|Core|Worker)/.+\.cs$", RegexOptions.ExplicitCapture)]
    private static partial Regex Shipped();
}
