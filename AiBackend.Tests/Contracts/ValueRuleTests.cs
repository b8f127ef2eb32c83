using AiBackend.ApiContracts.Contracts;

namespace AiBackend.Tests.Contracts;

/// <summary>What a schema cannot say.</summary>
public sealed class ValueRuleTests
{
    public static TheoryData<string, string, string> Rules =>
        new()
        {
            { """{"rule":"range","path":"/refund","min":0,"max":100}""", """{"refund":50}""", """{"refund":-5}""" },
            {
                """{"rule":"range","path":"/items/*/price","min":0}""",
                """{"items":[{"price":0},{"price":1}]}""",
                """{"items":[{"price":1},{"price":-1}]}"""
            },
            { """{"rule":"allowed","path":"/currency","values":["EUR","USD"]}""", """{"currency":"EUR"}""", """{"currency":"GBP"}""" },
            {
                """{"rule":"compare","path":"/end","operator":">=","with":"/start"}""",
                """{"start":"2026-01-01","end":"2026-01-02"}""",
                """{"start":"2026-01-02T10:00:00+02:00","end":"2026-01-02T07:00:00Z"}"""
            },
            {
                """{"rule":"compare","path":"/net","operator":"<","with":"/gross"}""",
                """{"net":9.5,"gross":10}""",
                """{"net":10,"gross":10.0}"""
            },
            {
                """{"rule":"sum","path":"/lines/*","with":"/total","tolerance":0.01}""",
                """{"lines":[0.1,0.2],"total":0.3}""",
                """{"lines":[0.1,0.2],"total":0.4}"""
            },
            { """{"rule":"sum","path":"/lines/*","with":"/total"}""", """{"lines":[],"total":0}""", """{"lines":["1"],"total":1}""" },
            { """{"rule":"unique","path":"/ids/*"}""", """{"ids":["a","b"]}""", """{"ids":["a","b","a"]}""" },
            { """{"rule":"unique","path":"/ids/*"}""", """{"ids":[1,2.5]}""", """{"ids":[1,1.0]}""" },
            { """{"rule":"unique","path":"/ids/*"}""", """{"ids":["a","\\u0061b"]}""", """{"ids":["a","\u0061"]}""" },
            {
                """{"rule":"unique","path":"/ids/*"}""",
                """{"ids":[{"a":1},{"a":[1]}]}""",
                """{"ids":[{"a":[1,null],"b":true},{"b":true,"a":[1.0,null]}]}"""
            },
            { """{"rule":"cited","path":"/quotes/*"}""", """{"quotes":["due in  30 days"]}""", """{"quotes":["due in 60 days"]}""" },
            { """{"rule":"cited","path":"/quotes/*"}""", """{"quotes":["30 days"]}""", """{"quotes":[]}""" },
            { """{"rule":"url","path":"/link"}""", """{"link":"https://example.com/a"}""", """{"link":"javascript:alert(1)"}""" },
            { """{"rule":"url","path":"/link"}""", """{"link":"https://example.com"}""", """{"link":"https://user:pw@example.com"}""" },
            {
                """{"rule":"url","path":"/link","schemes":["mailto"]}""",
                """{"link":"mailto:a@b.example"}""",
                """{"link":"https://b.example"}"""
            },
            { """{"rule":"relative_path","path":"/file"}""", """{"file":"out/a..b.txt"}""", """{"file":"../../etc/passwd"}""" },
            { """{"rule":"relative_path","path":"/file"}""", """{"file":"a"}""", """{"file":"/etc/passwd"}""" },
            { """{"rule":"relative_path","path":"/file"}""", """{"file":"a/b"}""", """{"file":"..%2fetc"}""" },
            {
                """{"rule":"custom","path":"/account","name":"iban"}""",
                """{"account":"DE89 3704 0044 0532 0130 00"}""",
                """{"account":"DE89 3704 0044 0532 0130 01"}"""
            },
        };

    [Theory]
    [MemberData(nameof(Rules))]
    public void A_58_a_rule_tells_good_values_from_harmful_ones(string rule, string good, string bad)
    {
        var contract = Contract.OfRule(rule);

        Assert.Empty(Contract.Faults(contract));
        Assert.True(Contract.Check(contract, good, source: "Payable, due in 30\ndays.").IsValid);
        var found = Contract.Check(contract, bad, source: "Payable, due in 30\ndays.");
        Assert.Equal(Verdicts.Rule, found.Check.Verdict);
        Assert.NotEmpty(Assert.Single(found.Check.Violations).Message);
    }

    [Theory]
    [InlineData("""{"rule":"magic"}""", "rules[0].rule is \"magic\"; it must be one of range")]
    [InlineData("""{"rule":"range","path":"/a"}""", "rules[0].min and max must not both be left out")]
    [InlineData("""{"rule":"range","path":"a","min":1}""", "rules[0].path is \"a\"; it must be a JSON Pointer")]
    [InlineData("""{"rule":"range","path":"/a","min":2,"max":1}""", "min must not be above max")]
    [InlineData("""{"rule":"range","path":"/a","min":1,"values":[1]}""", "rules[0].values is not for the rule range")]
    [InlineData("""{"rule":"compare","path":"/a","operator":"~","with":"/b"}""", "rules[0].operator is \"~\"")]
    [InlineData("""{"rule":"compare","path":"/a","operator":"="}""", "rules[0].with is missing")]
    [InlineData("""{"rule":"custom","name":"none"}""", "registered are: iban")]
    [InlineData("""{"rule":"judge","criteria":"good"}""", "rules[0].model is missing")]
    [InlineData("""{"rule":"judge","model":"m","criteria":"good","min_score":2}""", "rules[0].min_score must be from 0 to 1")]
    [InlineData("""{"rule":"unique","severity":"fatal"}""", "rules[0].severity is \"fatal\"")]
    public void A_rule_that_makes_no_sense_is_refused_by_name(string rule, string fault) =>
        Assert.Contains(fault, string.Join('\n', Contract.Faults(Contract.OfRule(rule))), StringComparison.Ordinal);

    [Fact]
    public void A_contract_that_asks_for_nothing_is_refused() =>
        Assert.Contains("are both missing", Assert.Single(Contract.Faults(Contract.Of("{}"))), StringComparison.Ordinal);

    [Fact]
    public void Its_own_words_are_told_and_a_person_is_asked_where_it_says_so()
    {
        var contract = Contract.OfRule(
            """{"rule":"range","path":"/confidence","min":0.8,"severity":"review","message":"is too unsure."}"""
        );

        var violation = Assert.Single(Contract.Check(contract, """{"confidence":0.5}""").Check.Violations);

        Assert.Equal(("/confidence", "is too unsure.", true), (violation.Path, violation.Message, violation.ForReview));
    }
}
