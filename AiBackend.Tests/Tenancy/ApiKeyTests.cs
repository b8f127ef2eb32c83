using AiBackend.Core.Tenancy;
using FsCheck;
using FsCheck.Fluent;

namespace AiBackend.Tests.Tenancy;

public sealed class ApiKeyTests
{
    [Fact]
    public void P_9_a_new_key_parses_and_matches_the_published_pattern_D_3()
    {
        for (var i = 0; i < 500; i++)
        {
            var key = ApiKey.Create(live: i % 2 == 0);

            Assert.Equal(key, ApiKey.TryParse(key.Text));
            Assert.Matches("^" + ApiKey.Pattern + "$", key.Text);
        }
    }

    [Fact]
    public void P_9_any_one_or_two_changed_characters_are_noticed_without_the_database() =>
        Prop.ForAll(
                (
                    from first in Gen.Choose(9, 44)
                    from second in Gen.Choose(9, 44)
                    from letter in Gen.Elements("0aZ9mQ".ToCharArray())
                    select (first, second, letter)
                ).ToArbitrary(),
                edit =>
                {
                    var text = ApiKey.Create(live: false).Text;
                    var edited = text.ToCharArray();
                    edited[edit.first] = edit.letter;
                    edited[edit.second] = edit.letter;

                    return new string(edited) == text || ApiKey.TryParse(new string(edited)) is null;
                }
            )
            .Check(Config.QuickThrowOnFailure.WithMaxTest(2000));

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("' OR '1'='1")]
    [InlineData("aib_test_")]
    [InlineData("aib_prod_000000000000000000000000000000000000")]
    [InlineData("sk-000000000000000000000000000000000000000000")]
    public void A_7_what_is_no_key_is_refused(string text) => Assert.Null(ApiKey.TryParse(text));

    [Fact]
    public void A_key_does_not_print_its_secret()
    {
        var key = ApiKey.Create(live: true);

        Assert.DoesNotContain(key.Text[17..], key.ToString(), StringComparison.Ordinal);
    }
}
