using System.Diagnostics;
using System.Text;
using AiBackend.ApiContracts.Contracts;
using AiBackend.Core.Contracts;
using AiBackend.Core.Texts;

namespace AiBackend.Tests.Contracts;

/// <summary>Answers that mean harm to whoever checks, stores or shows them.</summary>
public sealed class HostileAnswerTests
{
    // Far more than 250 ms and a slow machine's rests. That somebody ended them, and they did not come to their end, is what they say.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private static readonly string AnyShape =
        """{"enum":[1,{"a":1},"x"],"additionalProperties":{"pattern":"^a"},"propertyNames":{"maxLength":9},"multipleOf":3}""";

    public static TheoryData<string, string> Unstorable =>
        new()
        {
            { """{"a":"b\u0000"}""", "U+0000" },
            { """{"a\u0000":"b"}""", "U+0000" },
            { """["\ud83d"]""", "surrogate" },
            { """{"\udc00":1,"\udc00":2}""", "surrogate" },
            { """{"a":1e999}""", "the number 1e999" },
            { """{"a":-1e-99999999999}""", "too large or too small" },
            { """1E+309""", "exponents go from -308 to 308" },
            { new string('9', 1000), "a number of 1000 characters" },
        };

    [Theory]
    [MemberData(nameof(Unstorable))]
    public void What_can_be_neither_stored_nor_compared_is_no_answer_and_the_model_is_told_why(string answer, string why)
    {
        foreach (var text in (string[])[answer, $"```json\n{answer}\n```"])
        {
            foreach (var policy in (string[])["fail", "repair"])
            {
                if (text != answer && policy == "fail")
                {
                    continue;
                }

                var found = Contract.Check(Contract.OfSchema(AnyShape, policy), text);

                Assert.Equal(Verdicts.Parse, found.Check.Verdict);
                // What is told is told with escapes, and is itself no harm.
                Assert.Contains(why, Assert.Single(found.Check.Violations).Message, StringComparison.Ordinal);
                AssertStorable(found.Check);
            }
        }
    }

    [Theory]
    [InlineData("""{"a":"\\u0000 \\ud83d"}""")]
    [InlineData("""{"a":"\ud83d\ude00 \u0001"}""")]
    [InlineData("""{"a":1e308,"b":-1E-308,"c":0.1234567890123456789012345678901234567890}""")]
    public void What_only_looks_like_it_is_an_answer(string answer)
    {
        var found = Contract.Check(Contract.OfSchema("""{"type":"object"}"""), answer);

        Assert.Equal((Verdicts.Valid, answer), (found.Check.Verdict, found.Text));
    }

    [Theory]
    [InlineData("""{"schema":{"const":1e99999999999}}""", "schema cannot be laid on answers: it has the number 1e99999999999")]
    [InlineData("""{"schema":{"enum":[1e-400]}}""", "too large or too small")]
    [InlineData("""{"rules":[{"rule":"allowed","path":"/a","values":[1,1e99999999999]}]}""", "rules[0].values cannot be compared")]
    public void A_57_a_contract_has_only_values_that_can_be_compared(string contract, string fault) =>
        Assert.Contains(fault, string.Join('\n', Contract.Faults(Contract.Of(contract))), StringComparison.Ordinal);

    // By name: what is told of a test has no room for megabytes.
    private static readonly Dictionary<string, Func<(string Contract, string Answer, string Source)>> Slow = new(StringComparer.Ordinal)
    {
        ["required"] = () => (Schema($$"""{"required":[{{Names}}]}"""), Wide, ""),
        ["dependentRequired"] = () => (Schema($$"""{"dependentRequired":{"n1":[{{Names}}]} }"""), Wide, ""),
        ["additionalProperties"] = () =>
            (Schema($$"""{"properties":{ {{Many(400, n => $"\"p{n}\":true")}} },"additionalProperties":true}"""), Wide, ""),
        ["patternProperties"] = () => (Schema($$"""{"patternProperties":{ {{Many(200, n => $"\"^x{n}[a-z]*y$\":true")}} } }"""), Wide, ""),
        ["enum"] = () => (Schema($$"""{"items":{"enum":[{{Names}}]} }"""), $"[{Many(20_000, _ => "\"n5999\"")}]", ""),
        // Every second place of the source begins like the quotation, for as long as it is.
        ["cited"] = () =>
            (
                """{"rules":[{"rule":"cited","path":"/*"}]}""",
                $"[{Many(20, _ => $"\"{Repeated("ab", 25_000)}aaab\"")}]",
                Repeated("ab", 500_000)
            ),
        ["rules"] = () =>
            ($$"""{"rules":[{{Many(50, _ => """{"rule":"range","path":"/*","min":0}""")}}]}""", $"[{Many(2_000_000, _ => "1")}]", ""),
    };

    private static string Names => Many(6000, n => $"\"n{n}\"");

    // All that is required is there, and found late.
    private static string Wide => $"{{{Many(200_000, n => $"\"n{n}\":1")}}}";

    public static TheoryData<string> SlowOnes => [.. Slow.Keys];

    [Theory]
    [MemberData(nameof(SlowOnes))]
    public void A_57_D_20_rules_and_keywords_that_go_through_all_of_an_answer_end_in_bounded_time(string name)
    {
        var (json, answer, source) = Slow[name]();
        var contract = Contract.Of(json);
        Assert.Empty(Contract.Faults(contract));
        var startedAt = Stopwatch.GetTimestamp();

        var found = Contract.Check(contract, answer, source: source);

        Assert.InRange(Stopwatch.GetElapsedTime(startedAt), TimeSpan.Zero, Patience);
        Assert.Equal("evaluation", Assert.Single(found.Check.Violations).Rule);
    }

    private static readonly Dictionary<string, (string Contract, string Answer)> Endless = new(StringComparer.Ordinal)
    {
        ["additionalProperties"] = (Schema("""{"additionalProperties":false}"""), Members(1000, 5000)),
        ["propertyNames"] = (Schema("""{"propertyNames":{"maxLength":3}}"""), Members(1000, 50)),
        ["patternProperties"] = (Schema("""{"patternProperties":{"a":{"type":"string"}}}"""), Members(1000, 50)),
        ["required"] = (Schema($$"""{"required":[{{Many(1000, n => $"\"n{n}\"")}}]}"""), "{}"),
        ["items"] = (Schema("""{"items":{"const":"b"}}"""), $"[{Many(1000, _ => "\"a\"")}]"),
        ["unique"] = ("""{"rules":[{"rule":"unique","path":"/*"}]}""", $"[{Many(100, _ => $"\"{new string('a', 5000)}\"")}]"),
        ["range"] = ("""{"rules":[{"rule":"range","path":"/*","min":1},{"rule":"url","path":"/*"}]}""", $"[{Many(100, _ => "0")}]"),
        ["compare"] = (
            """{"rules":[{"rule":"compare","path":"/a/*","operator":"=","with":"/b"}]}""",
            $$"""{"a":[{{Many(100, _ => "0")}}],"b":"{{new string('b', 50_000)}}"}"""
        ),
    };

    public static TheoryData<string> EndlessOnes => [.. Endless.Keys];

    [Theory]
    [MemberData(nameof(EndlessOnes))]
    public void However_much_is_wrong_a_bounded_part_of_it_is_told(string name)
    {
        var found = Contract.Check(Contract.Of(Endless[name].Contract), Endless[name].Answer);

        Assert.Equal(Violations.Most + 1, found.Check.Violations.Count);
        Assert.Equal(
            ("more", "has more faults, which are not listed."),
            (found.Check.Violations[^1].Rule, found.Check.Violations[^1].Message)
        );
        Assert.All(found.Check.Violations, each => Assert.InRange(each.Path.Length + each.Message.Length, 1, 1200));
        AssertStorable(found.Check);
    }

    [Fact]
    public void Just_as_many_faults_as_are_told_are_all_of_them()
    {
        var found = Contract.Check(Contract.Of(Schema("""{"additionalProperties":false}""")), Members(Violations.Most, 5));

        Assert.Equal(Violations.Most, found.Check.Violations.Count);
        Assert.DoesNotContain(found.Check.Violations, each => each.Rule == "more");
    }

    [Theory]
    [InlineData("")]
    [InlineData(" \n")]
    public void Nothing_is_no_quotation(string quote) =>
        Assert.False(
            Contract
                .Check(
                    Contract.OfRule("""{"rule":"cited","path":"/*"}"""),
                    $"[{System.Text.Json.JsonSerializer.Serialize(quote)}]",
                    source: "Due in 30 days."
                )
                .IsValid
        );

    [Fact]
    public void A_quotation_is_found_wherever_it_stands_and_however_long_it_is()
    {
        var random = new Random(7);
        var source = string.Create(300_000, random, (letters, made) => made.GetItems("abcdefghij", letters));
        var contract = Contract.OfRule("""{"rule":"cited","path":"/*"}""");
        for (var i = 0; i < 200; i++)
        {
            var length = random.Next(20, i % 2 == 0 ? 100 : 50_000);
            var at = random.Next(source.Length - length + 1);
            var quote = source.Substring(at, length);

            Assert.True(Contract.Check(contract, $"[\"{quote}\"]", source: source).IsValid, $"{length} from {at}");
            Assert.False(Contract.Check(contract, $"[\"{quote[..^1]}z\"]", source: source).IsValid, $"{length} from {at}");
        }

        Assert.True(Contract.Check(contract, $"[\"{source[^30..]}\"]", source: source).IsValid);
    }

    [Fact]
    public void A_text_that_is_cut_or_has_halves_of_characters_can_be_stored()
    {
        var smiles = string.Concat(Enumerable.Repeat("😀", 10));

        Assert.Equal("😀😀…", StorableText.Of(smiles, 5));
        Assert.Equal("😀😀…", StorableText.Of(smiles, 4));
        Assert.Equal(smiles, StorableText.Of(smiles, 20));
        Assert.Equal("a\uFFFDb\uFFFD", StorableText.Of("a\0b\ud83d"));
    }

    private static string Schema(string schema) => $$"""{"schema":{{schema}}}""";

    private static string Many(int count, Func<int, string> make) => string.Join(',', Enumerable.Range(0, count).Select(make));

    private static string Repeated(string text, int times) => string.Concat(Enumerable.Repeat(text, times));

    private static string Members(int count, int length) => $"{{{Many(count, n => $"\"{n}{Repeated("a😀", length / 3)}\":1")}}}";

    private static void AssertStorable(ContractCheck check)
    {
        var strict = new UTF8Encoding(false, throwOnInvalidBytes: true);
        foreach (var violation in check.Violations)
        {
            Assert.DoesNotContain('\0', violation.Path + violation.Message);
            Assert.True(strict.GetByteCount(violation.Path + violation.Message) > 0);
        }
    }
}
