using AiBackend.Tests.Api;
using AiBackend.Tests.Providers;
using AiBackend.Tests.Simulator;
using AiBackend.Tests.Web;

namespace AiBackend.Tests.Guards;

/// <summary>With what Production does not start (D-2).</summary>
internal static class StartGuards
{
    private const string Open = nameof(StartTests.A_71_production_refuses_what_is_open_to_the_world_and_names_the_remedy);
    private const string Site = nameof(
        SiteTests.D_2_A_71_in_production_a_site_that_takes_any_name_or_a_certificate_of_development_does_not_start
    );
    private const string PageKeys = nameof(SignInTests.A_71_production_refuses_keys_that_end_with_the_process_or_cannot_be_sealed);

    public static IEnumerable<Guard> List { get; } =
    [
        .. AllGuards.In(
            "AiBackend.Api/ApiHost.cs",
            ("[[builder.RequireHostNames();]]", "", Open),
            ("[[builder.RequireOwnCertificate();]]", "", Open)
        ),
        .. AllGuards.In(
            "AiBackend.Core/Database/DatabaseRegistration.cs",
            (
                "if ([[builder.Environment.IsProduction() && role != DatabaseRole.Owner]])",
                "false",
                nameof(StartTests.A_71_production_refuses_a_superuser_of_Postgres_and_says_who_may_log_in)
            )
        ),
        .. AllGuards.In(
            "AiBackend.Core/Faults/FaultsRegistration.cs",
            (
                "if ([[builder.Environment.IsProduction()]])",
                "false",
                "TestBuildTests.D_2_A_71_production_refuses_an_api_with_fault_points_armed_or_not"
            )
        ),
        .. AllGuards.In(
            "AiBackend.Core/Providers/Configuration/ProvidersConfiguration.cs",
            ("if ([[isProduction]])", "false", nameof(ProvidersConfigurationTests.D_2_A_71_production_never_answers_with_the_simulator))
        ),
        .. AllGuards.In("AiBackend.Core/Redis/RedisRegistration.cs", ("if ([[builder.Environment.IsProduction()]])", "false", Open)),
        .. AllGuards.In(
            "AiBackend.Core/Tenancy/TenancyOptions.cs",
            ("TenancyOptions.DevelopmentPepper when [[!isDevelopment]] =>", "false", Open)
        ),
        .. AllGuards.In(
            "AiBackend.Simulator/SimulatorHost.cs",
            (
                "[[builder.RefuseProduction();]]",
                "",
                nameof(SimulatorControlTests.D_2_A_71_a_provider_that_makes_its_answers_up_does_not_start_in_production)
            )
        ),
        .. AllGuards.In(
            "AiBackend.Web/Shell/ShellRegistration.cs",
            ("[[builder.RequireHostNames();]]", "", Site),
            ("[[builder.RequireOwnCertificate();]]", "", Site)
        ),
        .. AllGuards.In(
            "AiBackend.Web/Shell/PageKeys.cs",
            ("if ([[builder.Environment.IsProduction()]]) { throw", "false", PageKeys),
            (@"else if ([[builder.Environment.IsProduction() && !settings.GetValue<bool>(""Plain"")]])", "false", PageKeys)
        ),
    ];
}
