using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using AiBackend.Core.Egress;

namespace AiBackend.Tests.Egress;

/// <summary>Where connections go: only to addresses that were checked, and only with a valid certificate.</summary>
public sealed class EgressConnectTests
{
    [Theory]
    [InlineData("http://hook.test:{0}/")]
    [InlineData("https://hook.test:{0}/")]
    [InlineData("https://127.0.0.1:{0}/")]
    [InlineData("https://2130706433:{0}/")]
    [InlineData("https://[::ffff:127.0.0.1]:{0}/")]
    [InlineData("https://localhost:{0}/")]
    [InlineData("https://me:pw@hook.test:{0}/")]
    public async Task A_30_A_31_what_may_not_be_written_is_not_sent_either_and_nobody_is_asked_for_its_address(string address)
    {
        await using var target = new TcpTarget();
        var hosts = new KnownHosts().Add("hook.test", "127.0.0.1");
        using var client = Guarded.Client(hosts);

        using var library = client.CreateClient(EgressClient.MostBytes, EgressClient.Patience);
        var text = string.Format(CultureInfo.InvariantCulture, address, target.Port);

        var answer = await client.GetAsync(text);
        await Assert.ThrowsAsync<HttpRequestException>(() => library.GetAsync(text, Fixtures.TestRun.Cancel));

        Assert.Equal((EgressErrors.Refused, 0, 0), (answer.Word(), target.Connections, hosts.Asked));
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    [InlineData("::ffff:127.0.0.1")]
    [InlineData("0.0.0.0")]
    [InlineData("10.1.2.3")]
    [InlineData("169.254.169.254")]
    [InlineData("fe80::1")]
    [InlineData("64:ff9b::7f00:1")]
    [InlineData("93.184.215.14,127.0.0.1")]
    [InlineData("127.0.0.1,93.184.215.14")]
    [InlineData("93.184.215.14,2606:4700::1111,192.168.0.1")]
    [InlineData("")]
    public async Task A_31_A_32_a_name_with_one_bad_address_is_refused_whatever_the_others_are(string addresses)
    {
        var hosts = new KnownHosts().Add("hook.test", addresses.Split(',', StringSplitOptions.RemoveEmptyEntries));
        using var client = Guarded.Client(hosts);

        var answer = await client.GetAsync("https://hook.test/");

        Assert.Equal((EgressErrors.Refused, 1), (answer.Word(), hosts.Asked));
    }

    [Fact]
    public async Task A_31_an_exception_of_production_opens_no_loopback_and_one_of_development_does()
    {
        await using var target = new TcpTarget();
        var origin = $"http://hook.test:{target.Port}";
        using var production = Guarded.Client(new KnownHosts().Add("hook.test", "127.0.0.1"), [origin]);
        using var development = Guarded.Client(new KnownHosts().Add("hook.test", "127.0.0.1"), [origin], isDevelopment: true);

        Assert.Equal((EgressErrors.Refused, 0), ((await production.GetAsync(origin)).Word(), target.Connections));
        Assert.Equal(("204", 1), ((await development.GetAsync(origin)).Word(), target.Connections));
        Assert.Equal(
            (EgressErrors.Refused, 1),
            ((await development.GetAsync($"http://other.test:{target.Port}")).Word(), target.Connections)
        );
    }

    [Fact]
    public void A_31_no_name_leads_to_an_address_of_this_machine_and_no_other_name_than_the_exception()
    {
        var own = IPAddress.Parse("93.184.215.14");
        var options = new EgressOptions { Allow = { "https://allowed.test:443" } };
        var rules = EgressRules.OfTenants(options, [], isDevelopment: true, () => [own]);
        var (allowed, other) = (new EgressOrigin("https", "allowed.test", 443), new EgressOrigin("https", "other.test", 443));

        Assert.True(rules.MayConnect(other, [IPAddress.Parse("93.184.215.15")]));
        Assert.False(rules.MayConnect(other, [IPAddress.Parse("93.184.215.15"), own]));
        Assert.False(rules.MayConnect(other, [IPAddress.Loopback]));
        Assert.True(rules.MayConnect(allowed, [own]));
        Assert.True(rules.MayConnect(allowed, [IPAddress.Loopback]));
    }

    /// <summary>The name has one address while it is checked and another one right after.</summary>
    [Fact]
    public async Task A_32_D_11_a_name_that_changes_its_address_is_asked_once_and_connected_to_what_was_checked()
    {
        await using var target = new TcpTarget();
        var origin = $"http://hook.test:{target.Port}";
        // Nobody listens at the first address, so that a connection to what was checked fails.
        var rebinding = new KnownHosts().Add("hook.test", "127.0.0.2").Add("hook.test", "127.0.0.1");
        using var client = Guarded.Client(rebinding, [origin], isDevelopment: true);

        Assert.Equal(EgressErrors.Unreachable, (await client.GetAsync(origin)).Word());
        Assert.Equal((1, 0), (rebinding.Asked, target.Connections));
        Assert.Equal("204", (await client.GetAsync(origin)).Word());
        Assert.Equal((2, 1), (rebinding.Asked, target.Connections));
    }

    [Theory]
    [InlineData(301)]
    [InlineData(302)]
    [InlineData(303)]
    [InlineData(307)]
    [InlineData(308)]
    public async Task A_33_D_11_a_redirect_is_an_answer_and_nobody_goes_there(int status)
    {
        await using var inside = new TcpTarget();
        await using var target = new TcpTarget(
            async (stream, stop) =>
            {
                await TcpTarget.ReadHeadAsync(stream, stop);
                var head = $"HTTP/1.1 {status} x\r\nLocation: http://hook.test:{inside.Port}/\r\nContent-Length: 0\r\n\r\n";
                await TcpTarget.WriteAsync(stream, head, stop);
            }
        );
        string[] allow = [$"http://hook.test:{target.Port}", $"http://hook.test:{inside.Port}"];
        using var client = Guarded.Client(new KnownHosts().Add("hook.test", "127.0.0.1"), allow, isDevelopment: true);

        var answer = await client.GetAsync(allow[0]);

        Assert.Equal((status, 0), ((int)Assert.IsType<EgressAnswer.Answered>(answer).Status, inside.Connections));
    }

    [Fact]
    public async Task A_34_a_name_without_an_address_is_refused_in_the_same_word_as_one_that_is_forbidden()
    {
        using var client = Guarded.Client(new KnownHosts().Add("inside.test", "10.0.0.1"));

        Assert.Equal(EgressErrors.Refused, (await client.GetAsync("https://nobody.test/")).Word());
        Assert.Equal(EgressErrors.Refused, (await client.GetAsync("https://inside.test/")).Word());
    }

    [Fact]
    public async Task A_34_a_resolver_that_never_answers_is_a_timeout()
    {
        var clock = new Fixtures.FakeTime();
        using var client = new EgressClient(Guarded.Rules(), new SilentResolver(), clock);

        var sent = client.GetAsync("https://hook.test/");
        await clock.WaitForTimersAsync(1, Fixtures.TestRun.Cancel);
        clock.Advance(EgressClient.Patience);

        Assert.Equal(EgressErrors.Timeout, (await sent).Word());
    }

    [Theory]
    [InlineData("valid", "204")]
    [InlineData("self-signed", EgressErrors.Tls)]
    [InlineData("expired", EgressErrors.Tls)]
    [InlineData("wrong host", EgressErrors.Tls)]
    public async Task A_36_a_certificate_must_be_valid_for_the_host(string kind, string expected)
    {
        using var authority = Authority();
        using var certificate = Certificate(kind, authority);
        var requests = 0;
        await using var target = new TcpTarget(
            async (stream, stop) =>
            {
                await using var tls = new SslStream(stream);
                await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = certificate }, stop);
                await TcpTarget.ReadHeadAsync(tls, stop);
                Interlocked.Increment(ref requests);
                await TcpTarget.WriteAsync(tls, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", stop);
            }
        );
        var origin = $"https://hook.test:{target.Port}";
        var hosts = new KnownHosts().Add("hook.test", "127.0.0.1");
        using var client = Guarded.Client(hosts, [origin], isDevelopment: true, roots: [authority]);

        Assert.Equal((expected, 1), ((await client.GetAsync(origin)).Word(), target.Connections));
        Assert.Equal(expected == "204" ? 1 : 0, requests);
    }

    private static X509Certificate2 Authority()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=Test authority", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var now = TimeProvider.System.GetUtcNow();
        return request.CreateSelfSigned(now.AddYears(-2), now.AddYears(1));
    }

    private static X509Certificate2 Certificate(string kind, X509Certificate2 authority)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=hook.test", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(kind == "wrong host" ? "other.test" : "hook.test");
        request.CertificateExtensions.Add(names.Build());
        var now = TimeProvider.System.GetUtcNow();
        var until = kind == "expired" ? now.AddDays(-1) : now.AddDays(1);
        using var signed =
            kind == "self-signed"
                ? request.CreateSelfSigned(now.AddDays(-2), until)
                : request.Create(authority, now.AddDays(-2), until, [1, 2, 3]).CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(signed.Export(X509ContentType.Pkcs12), null);
    }

    private sealed class SilentResolver : IEgressResolver
    {
        public async Task<System.Net.IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken)
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);
            return [];
        }
    }
}
