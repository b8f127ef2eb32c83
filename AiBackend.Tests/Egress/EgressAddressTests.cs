using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using AiBackend.Core.Egress;

namespace AiBackend.Tests.Egress;

/// <summary>Which addresses may be written, and what addresses are.</summary>
public sealed class EgressAddressTests
{
    private static readonly string[] Inside =
    [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    ];

    [Theory]
    [InlineData("http://hooks.example.com/x")]
    [InlineData("http://hooks.example.com:443/x")]
    [InlineData("ftp://hooks.example.com/x")]
    [InlineData("file:///etc/passwd")]
    [InlineData("gopher://hooks.example.com/x")]
    [InlineData("javascript:alert(1)")]
    [InlineData("//hooks.example.com/x")]
    [InlineData("/x")]
    [InlineData("")]
    [InlineData("https://")]
    [InlineData("https:hooks.example.com")]
    [InlineData("https://user:p@hooks.example.com/")]
    [InlineData("https://user@hooks.example.com/")]
    [InlineData("https://hooks.example.com@evil.example/")]
    [InlineData("https://hooks.example.com:22/")]
    [InlineData("https://hooks.example.com:6379/")]
    [InlineData("https://hooks.example.com:5432/")]
    [InlineData("https://hooks.example.com:80/")]
    [InlineData("https://hooks.example.com\\@evil.example/")]
    [InlineData("https://hooks.example.com/ x")]
    [InlineData("https://hooks.example.com/\r\nX: y")]
    [InlineData("https://hooks.exämple.com/")]
    public void A_30_only_https_on_its_port_to_a_host_without_user_may_be_written(string text) =>
        Assert.NotNull(Guarded.Rules().Check(text, out _));

    [Theory]
    [InlineData("https://127.0.0.1")]
    [InlineData("https://2130706433")]
    [InlineData("https://0x7f.1")]
    [InlineData("https://0x7f000001")]
    [InlineData("https://017700000001")]
    [InlineData("https://127.1")]
    [InlineData("https://0.0.0.0")]
    [InlineData("https://8.8.8.8")]
    [InlineData("https://[::1]")]
    [InlineData("https://[::ffff:127.0.0.1]")]
    [InlineData("https://[64:ff9b::7f00:1]")]
    [InlineData("https://[fe80::1%25eth0]")]
    [InlineData("https://localhost")]
    [InlineData("https://localhost.")]
    [InlineData("https://LOCALHOST")]
    [InlineData("https://a.localhost")]
    [InlineData("https://intranet")]
    [InlineData("https://１２７.０.０.１")]
    [InlineData("https://127。0。0。1")]
    [InlineData("https://%31%32%37.0.0.1")]
    [InlineData("https://127.0.0.1.")]
    [InlineData("https://169.254.169.254")]
    [InlineData("https://metadata.google.internal")]
    [InlineData("https://metadata")]
    [InlineData("https://printer.local")]
    [InlineData("https://1.2.3.0x4")]
    [InlineData("https://hooks.example.com.")]
    [InlineData("https://hooks..example.com")]
    [InlineData("https://api.ours.example")]
    [InlineData("https://db.ours.example")]
    [InlineData("https://CACHE.ours.example")]
    public void A_31_no_spelling_of_an_address_or_of_a_host_of_ours_is_taken(string text)
    {
        var rules = Guarded.Rules(own: ["api.ours.example", "db.ours.example", "cache.ours.example"]);

        Assert.NotNull(rules.Check(text, out _));
        Assert.NotNull(rules.Check(text + "/hook?a=b", out _));
        Assert.Null(rules.Check("https://hooks.ours.example/hook?a=b", out var address));
        Assert.Equal("hooks.ours.example", address.IdnHost);
    }

    [Fact]
    public void A_31_names_of_ours_are_read_from_the_configuration()
    {
        var configuration = new ConfigurationBuilder()
            .AddInMemoryCollection([
                new("ConnectionStrings:aibackend", "Host=db1.x,db2.x:5433;Username=u;Password=p"),
                new("ConnectionStrings:redis", "cache.x:6379,cache2.x:6379,password=secret"),
                new("AllowedHosts", "api.x; *.y;*"),
                new("services:simulator:http:0", "http://sim.x:5090"),
            ])
            .Build();

        var hosts = OwnHosts.Of(configuration).ToList();

        Assert.Superset(new HashSet<string> { "db1.x", "db2.x", "cache.x", "cache2.x", "sim.x", "api.x" }, hosts.ToHashSet());
        Assert.DoesNotContain(hosts, host => host.Contains('*', StringComparison.Ordinal));
    }

    /// <summary>Spellings that parsers take for an address, of any address: none is taken, whatever it is.</summary>
    [Fact]
    public void A_31_no_number_in_any_base_and_grouping_is_a_host()
    {
        var random = new Random(31);
        var rules = Guarded.Rules();
        for (var i = 0; i < 20_000; i++)
        {
            var bits = (uint)random.NextInt64(0, uint.MaxValue + 1L);
            var text = Spell(bits, random);
            Assert.True(rules.Check($"https://{text}/", out _) is not null, $"{text} ({bits}) is taken for a name.");
        }
    }

    /// <summary>Whatever is taken is a name to everybody who reads it: to us, to the HTTP client and to the connection.</summary>
    [Fact]
    public void A_31_what_is_taken_from_a_soup_of_characters_is_a_whole_name()
    {
        const string Soup = "ab1.-_:@/\\[]%?#0xX 。١\u200b\t";
        var random = new Random(32);
        var rules = Guarded.Rules();
        var taken = 0;
        for (var i = 0; i < 50_000; i++)
        {
            var host = string.Concat(Enumerable.Range(0, random.Next(1, 14)).Select(_ => Soup[random.Next(Soup.Length)]));
            if (rules.Check($"https://{host}.example.com/x", out var address) is null)
            {
                taken++;
                Assert.Equal(("https", 443, ""), (address.Scheme, address.Port, address.UserInfo));
                Assert.Equal(UriHostNameType.Dns, Uri.CheckHostName(address.IdnHost));
                Assert.False(IPAddress.TryParse(address.IdnHost, out _));
                Assert.Matches(@"^[a-z0-9_-]+(\.[a-z0-9_-]+)+$", address.IdnHost);
            }
        }

        Assert.InRange(taken, 100, 49_000);
    }

    [Fact]
    public void A_31_addresses_of_ipv4_are_public_but_for_the_lists_of_iana()
    {
        var inside = Inside.Select(text => IPNetwork.Parse(text)).ToList();
        var random = new Random(33);
        for (var i = 0; i < 50_000; i++)
        {
            // Half of them near a border of the lists.
            var bits = i % 2 == 0 ? (uint)random.NextInt64(0, uint.MaxValue + 1L) : Border(inside[random.Next(inside.Count)], random);
            var address = Address(bits);
            var isInside =
                inside.Exists(network => network.Contains(address))
                || address.ToString().StartsWith("192.88.99.", StringComparison.Ordinal);

            Assert.True(AddressKinds.Of(address) == AddressKind.Public == !isInside, $"{address} is {AddressKinds.Of(address)}");
        }
    }

    [Fact]
    public void A_31_no_address_of_ipv6_that_stands_for_one_of_ipv4_is_public()
    {
        string[] forms = ["::ffff:{0}", "::{0}", "::ffff:0:{0}", "64:ff9b::{0}", "64:ff9b:1::{0}", "2002:{1}:{2}::1", "2001:0:{1}:{2}::1"];
        var random = new Random(34);
        for (var i = 0; i < 10_000; i++)
        {
            var bits = (uint)random.NextInt64(0, uint.MaxValue + 1L);
            var form = forms[random.Next(forms.Length)];
            var text = string.Format(CultureInfo.InvariantCulture, form, Address(bits), $"{bits >> 16:x}", $"{bits & 0xffff:x}");

            Assert.True(AddressKinds.Of(IPAddress.Parse(text)) != AddressKind.Public, text);
        }
    }

    [Theory]
    [InlineData("fe80::1", nameof(AddressKind.Never))]
    [InlineData("ff02::1", nameof(AddressKind.Never))]
    [InlineData("::", nameof(AddressKind.Never))]
    [InlineData("::1", nameof(AddressKind.Loopback))]
    [InlineData("fd12::1", nameof(AddressKind.Private))]
    [InlineData("fd00:ec2::254", nameof(AddressKind.Never))]
    [InlineData("2001:db8::1", nameof(AddressKind.Never))]
    [InlineData("3fff::1", nameof(AddressKind.Never))]
    [InlineData("5f00::1", nameof(AddressKind.Never))]
    [InlineData("2606:4700::1111", nameof(AddressKind.Public))]
    [InlineData("100.127.255.255", nameof(AddressKind.Private))]
    [InlineData("169.254.169.254", nameof(AddressKind.Never))]
    [InlineData("127.255.255.254", nameof(AddressKind.Loopback))]
    public void Kinds_of_addresses(string address, string kind) => Assert.Equal(kind, AddressKinds.Of(IPAddress.Parse(address)).ToString());

    private static string Spell(uint bits, Random random)
    {
        var parts = random.Next(1, 5);
        var numbers = new List<uint>();
        for (var left = parts; left > 1; left--)
        {
            numbers.Add(bits >> 24);
            bits <<= 8;
        }

        numbers.Add(bits >> (8 * (parts - 1)));
        var text = string.Join('.', numbers.Select(number => Spell(number, random.Next(4))));
        return random.Next(5) == 0 ? text + "." : text;
    }

    private static string Spell(uint number, int how) =>
        how switch
        {
            0 => number.ToString(CultureInfo.InvariantCulture),
            1 => "0x" + number.ToString("x", CultureInfo.InvariantCulture),
            2 => "0" + Convert.ToString(number, 8),
            _ => "0X000" + number.ToString("X", CultureInfo.InvariantCulture),
        };

    private static uint Border(IPNetwork network, Random random)
    {
        var first = BinaryPrimitives.ReadUInt32BigEndian(network.BaseAddress.GetAddressBytes());
        var size = (uint)(1L << (32 - network.PrefixLength));
        return first + (uint)random.Next(-3, 4) + (random.Next(2) == 0 ? 0 : size);
    }

    private static IPAddress Address(uint bits)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, bits);
        return new IPAddress(bytes);
    }
}
