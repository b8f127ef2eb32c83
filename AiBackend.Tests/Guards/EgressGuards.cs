using AiBackend.Tests.Egress;
using AiBackend.Tests.Tools;
using AiBackend.Tests.Webhooks;

namespace AiBackend.Tests.Guards;

/// <summary>Where requests may go that tenants have us send (SSRF).</summary>
internal static class EgressGuards
{
    private const string Written = nameof(EgressAddressTests.A_30_only_https_on_its_port_to_a_host_without_user_may_be_written);
    private const string Spelled = nameof(EgressAddressTests.A_31_no_spelling_of_an_address_or_of_a_host_of_ours_is_taken);
    private const string Kinds = nameof(EgressAddressTests.Kinds_of_addresses);
    private const string Sent = nameof(
        EgressConnectTests.A_30_A_31_what_may_not_be_written_is_not_sent_either_and_nobody_is_asked_for_its_address
    );
    private const string OneBad = nameof(EgressConnectTests.A_31_A_32_a_name_with_one_bad_address_is_refused_whatever_the_others_are);
    private const string Exception = nameof(
        EgressConnectTests.A_31_an_exception_of_production_opens_no_loopback_and_one_of_development_does
    );
    private const string Own = nameof(
        EgressConnectTests.A_31_no_name_leads_to_an_address_of_this_machine_and_no_other_name_than_the_exception
    );
    private const string Options = nameof(EgressOptionsTests.A_71_an_exception_opens_one_origin_and_never_this_machine_in_production);
    private const string Hook = nameof(WebhookApiTests.A_30_A_31_an_address_that_may_not_be_written_is_refused_wherever_it_is);
    private const string Tool = nameof(ToolApiTests.What_a_tool_may_not_be_is_refused_by_name);

    public static IEnumerable<Guard> List { get; } =
    [
        .. AllGuards.In(
            "AiBackend.Core/Egress/EgressRules.cs",
            (@"if ([[!text.All(character => character is > ' ' and < '\x7f' and not '\\')]] ||", "false", Written),
            ("if ([[uri.UserInfo.Length > 0]])", "false", Written),
            ("if ([[uri.Scheme != Uri.UriSchemeHttps]])", "false", Written),
            ("if ([[uri.Port != OnlyPort]])", "false", Written),
            ("if ([[uri.HostNameType != UriHostNameType.Dns || !EgressNames.IsName(host)]])", "false", Spelled),
            ("[[EgressNames.IsInside(host)]] ||", "false", Spelled),
            ("[[_ownHosts.Contains(host)]]", "false", Spelled),
            ("return [[addresses.Count > 0]] &&", "true", OneBad),
            ("AddressKind.Public => [[!own.Contains(address)]],", "true", Own),
            ("AddressKind.Private => [[isException]],", "true", OneBad),
            ("AddressKind.Loopback => [[isException]] &&", "true", Own),
            ("AddressKind.Loopback => isException && [[_loopback]],", "true", Exception),
            ("_ => [[false]], }", "true", OneBad)
        ),
        .. AllGuards.In(
            "AiBackend.Core/Egress/AddressKind.cs",
            ("if ([[address.IsIPv4MappedToIPv6 || Nevers.Any(network => network.Contains(address))]])", "false", Kinds),
            ("if ([[Loopbacks.Any(network => network.Contains(address))]])", "false", Kinds),
            ("if ([[Privates.Any(network => network.Contains(address))]])", "false", Kinds),
            ("|| [[GlobalUnicast.Contains(address)]] ?", "true", Kinds)
        ),
        .. AllGuards.In(
            "AiBackend.Core/Egress/EgressClient.cs",
            ("ConnectCallback = [[new EgressDial(rules, resolver).ConnectAsync]],", "null", OneBad),
            ("AllowAutoRedirect = [[false]],", "true", nameof(EgressConnectTests.A_33_D_11_a_redirect_is_an_answer_and_nobody_goes_there)),
            ("address || [[_rules.Fault(address) is not null]]", "false", Sent)
        ),
        .. AllGuards.In(
            "AiBackend.Core/Egress/EgressDial.cs",
            (
                "if ([[!rules.MayConnect(new EgressOrigin(scheme, endpoint.Host.ToLowerInvariant(), endpoint.Port), addresses)]])",
                "false",
                OneBad
            ),
            (
                "socket.ConnectAsync([[addresses]], endpoint.Port",
                "await resolver.ResolveAsync(endpoint.Host, cancellationToken)",
                nameof(EgressConnectTests.A_32_D_11_a_name_that_changes_its_address_is_asked_once_and_connected_to_what_was_checked)
            )
        ),
        .. AllGuards.In("AiBackend.Core/Egress/EgressHandler.cs", ("address || [[rules.Fault(address) is not null]]", "false", Sent)),
        .. AllGuards.In(
            "AiBackend.Core/Egress/EgressOptions.cs",
            ("return [[origin.LiteralKind]] switch", "AddressKind.Public", Options),
            ("AddressKind.Loopback when [[!isDevelopment]] =>", "false", Options)
        ),
        .. AllGuards.In(
            "AiBackend.Core/Egress/OwnHosts.cs",
            (
                "return [[connections.Concat(services).Concat(called)]].Where",
                "called",
                nameof(EgressAddressTests.A_31_names_of_ours_are_read_from_the_configuration)
            )
        ),
        .. AllGuards.In(
            "AiBackend.Api/Jobs/Submitting/JobWebhookRules.cs",
            (@"[[egress.Check(webhook.Url ?? """", out _)]] is { } fault", "null", Hook)
        ),
        .. AllGuards.In("AiBackend.Api/Webhooks/WebhookRules.cs", ("if ([[egress.Check(url, out _)]] is { } fault)", "null", Hook)),
        .. AllGuards.In(
            "AiBackend.Api/Tools/ToolFields.cs",
            (@"[[egress.Check(request.Url ?? """", out _)]] is { } fault", "null", Tool),
            ("[[egress.Check(verify, out _)]] is { } other", "null", Tool)
        ),
    ];
}
