using AiBackend.Tests.Api;
using AiBackend.Tests.Tenancy;

namespace AiBackend.Tests.Guards;

/// <summary>Who a request comes from, and whether it still is.</summary>
internal static class CallerGuards
{
    // In two parts: the whole would look like a path of one machine.
    private const string Users = "AiBackend.Core/Tenancy/Users";

    private const string Origin = nameof(HubDoorTests.D_6_A_21_no_page_of_another_origin_connects);
    private const string Twenty = nameof(HubDoorTests.D_6_a_key_has_twenty_connections_and_another_when_one_is_closed);
    private const string OpenHub = nameof(
        HubDoorTests.D_6_A_14_a_connection_whose_key_was_revoked_or_may_read_no_jobs_from_there_reads_nothing_more
    );
    private const string Scopes = nameof(AuthenticationTests.A_10_a_key_may_do_what_its_scopes_say_and_nothing_else);
    private const string Beside = nameof(SessionTests.A_17_a_key_beside_the_operators_makes_no_operator_and_runs_nothing_that_all_share);
    private const string OtherTenant = nameof(TenantSwitchTests.A_key_of_another_tenant_than_the_one_that_is_meant_is_refused);
    private const string Ended = nameof(AuthenticationTests.A_8_a_revoked_and_an_expired_key_get_the_same_answer_as_an_unknown_one);
    private const string Stream = nameof(StreamTicketTests.A_3_a_ticket_is_worth_what_its_key_is_and_a_stream_ends_with_it);
    private const string TicketPlace = nameof(StreamTicketTests.A_3_a_ticket_counts_from_the_address_that_it_is_for);
    private const string TicketJob = nameof(StreamTicketTests.A_3_D_6_a_ticket_opens_the_events_of_its_job_once_and_of_no_other);
    private const string TicketAge = nameof(StreamTicketTests.A_3_a_ticket_is_over_after_sixty_seconds);
    private const string TicketForeign = nameof(StreamTicketTests.A_3_a_ticket_opens_nothing_else_and_nobody_gets_one_for_a_job_of_others);

    private const string Nameless = nameof(SessionTests.What_goes_on_in_the_name_of_a_key_is_not_begun_by_who_signed_in);

    public static IEnumerable<Guard> List { get; } =
    [
        .. AllGuards.In(
            "AiBackend.Api/ApiHost.cs",
            ("[[app.Use(HubDoor.CheckOriginAsync);]]", "", Origin),
            (
                "[[app.Use(app.Services.GetRequiredService<AddressLimits>().InvokeAsync);]]",
                "",
                nameof(AttemptLimitTests.D_13_an_address_has_so_many_requests_with_whatever_keys_and_other_addresses_have_theirs)
            ),
            ("[[app.Use(MeantTenant.CheckAsync);]]", "", OtherTenant),
            ("[[app.UseAuthorization();]]", "", Scopes)
        ),
        .. AllGuards.In(
            "AiBackend.Api/Auth/ApiKeyHandler.cs",
            (
                "[[request.Headers.Authorization]] is [{ } header]",
                "new Microsoft.Extensions.Primitives.StringValues(request.Headers.Authorization.LastOrDefault())",
                nameof(AuthenticationTests.A_7_two_headers_are_no_key_even_when_both_are_valid)
            ),
            (
                "|| ([[attempts.IsOver(Context.Connection.RemoteIpAddress)]] && !callers.IsKnown(key))",
                "false",
                nameof(AttemptLimitTests.A_7_and_a_13_too_many_requests_without_a_valid_key_are_refused_and_a_key_in_use_is_not)
            ),
            (
                "|| [[!caller.MayComeFrom(Context.Connection.RemoteIpAddress)]] ?",
                "false",
                nameof(KeyApiTests.D_3_a_key_counts_only_from_the_networks_it_is_bound_to)
            )
        ),
        .. AllGuards.In(
            "AiBackend.Api/Auth/Callers.cs",
            (
                "[[caller.Has(Policies.ReadJobs)]] ?",
                "true",
                nameof(StreamTicketTests.A_3_a_ticket_of_a_key_that_may_read_no_more_opens_nothing)
            ),
            (
                "!([[environment.IsProduction() && ApiKey.IsForTests(text)]])",
                "false",
                nameof(StartTests.A_8_a_key_for_tests_opens_nothing_in_production)
            )
        ),
        .. AllGuards.In(
            "AiBackend.Api/Auth/Admittance.cs",
            ("|| [[now.TenantId != TenantId]] ||", "false", nameof(TenantSwitchTests.A_14_a_stream_of_the_project_before_a_switch_ends)),
            ("|| [[!now.MayComeFrom(Address)]])", "false", OpenHub),
            ("if ([[!now.Meets(need.Policy)]])", "false", OpenHub)
        ),
        .. AllGuards.In(
            "AiBackend.Api/Auth/KeyAgain.cs",
            (
                "if ([[!await context.RequestServices.GetRequiredService<LiveKeys>().CountsAsync(context, CancellationToken.None)]])",
                "false",
                nameof(SlowBodyTests.A_8_and_a_78_nothing_is_done_for_a_key_that_ends_while_the_body_is_sent)
            )
        ),
        .. AllGuards.In(
            "AiBackend.Api/Auth/LiveKeys.cs",
            (
                "open.Where(each => [[!each.Admittance.Holds(now)]])",
                "false",
                nameof(EventStreamTests.A_14_a_stream_ends_when_its_key_is_revoked_and_others_of_the_tenant_go_on)
            )
        ),
        .. AllGuards.In("AiBackend.Api/Auth/MeantTenant.cs", ("is { } slug && [[slug != caller.Tenant]]", "false", OtherTenant)),
        .. AllGuards.In(
            "AiBackend.Api/Auth/Policies.cs",
            ("Caller: { } caller } && [[caller.Meets(policy)]];", "true", Scopes),
            ("Operators => [[caller.IsOperator()]],", "true", Beside),
            ("var scope => [[caller.Has(scope)]],", "true", Scopes),
            ("=> [[caller.OrganisationId == ApiKeyStore.DefaultTenant && !caller.IsOperator()]];", "false", Beside)
        ),
        .. AllGuards.In(
            "AiBackend.Api/Jobs/Streaming/HubDoor.cs",
            ("[[!context.Request.IsOwn(origin.ToString())]] ?", "false", Origin),
            ("hub.CloseOnAuthenticationExpiration = [[true]];", "false", nameof(HubDoorTests.D_6_a_connection_ends_with_its_key)),
            ("if ([[_open.AddOrUpdate(keyId, 1, static (_, open) => open + 1) > MostConnections]])", "false", Twenty)
        ),
        .. AllGuards.In(
            "AiBackend.Api/Jobs/Streaming/JobsHub.cs",
            ("if ([[!await keys.CountsAsync(Context.GetHttpContext()!, cancellationToken)]])", "false", OpenHub),
            (
                "if ([[attempts.CountUnknown(Context.User!.GetCaller().KeyId)]] is { } over)",
                "(Refusal?)null",
                nameof(HubDoorTests.A_6_who_guesses_ids_here_is_throttled_as_at_every_address)
            )
        ),
        .. AllGuards.In(
            "AiBackend.Api/Auth/Limits/UnknownObjects.cs",
            (
                "? [[context.RequestServices.GetRequiredService<AttemptLimits>().CountUnknown(caller.KeyId)]] ??",
                "(Refusal?)null",
                nameof(AttemptLimitTests.A_6_guessing_ids_is_throttled_whatever_they_are_of)
            ),
            (
                "=> [[refusal.IsOfUnknownId]] ||",
                "false",
                nameof(AttemptLimitTests.A_6_guessing_ids_inside_bodies_is_throttled_as_in_addresses)
            )
        ),
        .. AllGuards.In(
            "AiBackend.Api/OpenAi/Batches/SubmitLines.cs",
            (
                "&& [[attempts.CountUnknown(caller.KeyId) is not null]] ?",
                "false",
                nameof(AttemptLimitTests.A_6_a_batch_makes_no_more_guesses_than_other_requests_of_its_key)
            )
        ),
        .. AllGuards.In(
            "AiBackend.Api/Jobs/Streaming/CreateStreamTicket.cs",
            ("if ([[caller.UserId is not null]])", "false", Nameless),
            ("|| [[await jobs.FindHeadAsync(caller.TenantId, id, context.RequestAborted) is null]])", "false", TicketForeign)
        ),
        .. AllGuards.In("AiBackend.Api/OpenAi/Batches/BatchRequests.cs", ("if ([[caller.UserId is not null]])", "false", Nameless)),
        .. AllGuards.In(
            "AiBackend.Core/Tenancy/StreamTickets.cs",
            (
                "= [[database.CreateCommand(UseSql)]];",
                @"database.CreateCommand(UseSql.Replace(""place = @place"", ""(true OR place = @place)""))",
                TicketPlace
            ),
            (
                "= [[database.CreateCommand(UseSql)]];",
                @"database.CreateCommand(UseSql.Replace(""job_id = @job_id"", ""(true OR job_id = @job_id)""))",
                TicketJob
            ),
            (
                "= [[database.CreateCommand(UseSql)]];",
                @"database.CreateCommand(UseSql.Replace("" AND expires_at > now()"", """"))",
                TicketAge
            )
        ),
        .. AllGuards.In(
            "AiBackend.Core/Tenancy/ApiKeyStore.cs",
            (
                "if ([[CryptographicOperations.FixedTimeEquals(stored, key.Hash(_pepper))]])",
                "true",
                nameof(AuthenticationTests.A_8_a_key_with_a_known_id_and_another_secret_opens_nothing)
            ),
            (OfKey, @"database.CreateCommand(FindSql.Replace("" AND k.revoked_at IS NULL"", """"))", Ended),
            (OfKey, @"database.CreateCommand(FindSql.Replace("" AND (k.expires_at IS NULL OR k.expires_at > now())"", """"))", Ended),
            (
                OfKey,
                @"database.CreateCommand(FindSql.Replace("" AND t.disabled_at IS NULL"", """"))",
                nameof(TenantApiTests.Operators_make_organisations_and_their_tenants_and_keys_of_a_disabled_one_are_refused)
            ),
            (OfWork, @"database.CreateCommand(FindSql.Replace("" AND k.revoked_at IS NULL"", """"))", Stream)
        ),
        .. AllGuards.In(
            Users + "/SessionStore.cs",
            (
                "if ([[!PasswordHash.Matches(password, stored)]])",
                "false",
                nameof(SessionTests.A_13_whatever_is_wrong_is_one_answer_and_guesses_are_throttled_by_user_and_address)
            ),
            (
                "= [[database.CreateCommand(FindSql)]];",
                @"database.CreateCommand(FindSql.Replace("" AND u.disabled_at IS NULL"", """"))",
                nameof(SessionTests.A_14_a_session_that_outlived_its_user_opens_nothing)
            ),
            (
                "= [[database.CreateCommand(FindSql)]];",
                @"database.CreateCommand(FindSql.Replace(Alive, ""true""))",
                nameof(SessionTests.D_4_a_session_ends_after_eight_hours_without_use_and_after_twenty_four)
            ),
            (
                "= [[database.CreateCommand(MoveSql)]];",
                @"database.CreateCommand(MoveSql.Replace("" AND t.organisation_id = u.organisation_id"", """"))",
                nameof(SessionTests.A_user_of_another_organisation_works_in_its_projects_only_and_runs_nothing_that_all_share)
            )
        ),
    ];

    private const string OfKey =
        "FindAsync(ApiKey key, CancellationToken cancellationToken) { await using var command = [[database.CreateCommand(FindSql)]];";

    private const string OfWork =
        "FindByIdAsync(string keyId, CancellationToken cancellationToken) { await using var command = [[database.CreateCommand(FindSql)]];";
}
