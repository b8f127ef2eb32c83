using AiBackend.ApiContracts.Money;
using AiBackend.Web.Costs;
using Microsoft.AspNetCore.WebUtilities;

namespace AiBackend.Tests.Web;

/// <summary>What the page of costs shows is what its address says.</summary>
public sealed class CostViewTests
{
    [Fact]
    public void U_33_every_view_is_an_address_that_leads_back_to_it()
    {
        var random = new Random(33);
        for (var round = 0; round < 200; round++)
        {
            var view = Some(random);

            var again = Parse(view.Address);

            Assert.Equal((view.Days, view.By, view.Address), (again.Days, again.By, again.Address));
            Assert.Equal(view.Only, again.Only);
        }
    }

    [Fact]
    public void A_row_leads_to_its_own_days_and_keeps_what_was_chosen()
    {
        var view = Parse("costs?by=model&days=7&feature=a%26b&tenant=*");

        var into = view.Into(new UsageRow { Provider = "p", Model = "org/m" });

        Assert.Equal("costs?days=7&tenant=%2A&provider=p&model=org%2Fm&feature=a%26b", into.Address);
        Assert.Equal("costs?days=7&tenant=%2A&provider=p&feature=a%26b", into.Without("model").Address);
        Assert.Equal("costs?days=7&by=model&feature=a%26b", view.With(null).Address);
    }

    [Fact]
    public void The_api_is_asked_for_as_many_days_as_the_view_has()
    {
        var now = new DateTimeOffset(2026, 3, 1, 23, 0, 0, TimeSpan.FromHours(-5));

        Assert.Equal("group_by=day&from=2026-02-24", Parse("costs?days=7").Query("day", now));
        Assert.Equal("group_by=day&from=2026-02-01&feature=", Parse("costs?days=8000&by=colour&feature=").Query("day", now));
    }

    private static CostView Parse(string address)
    {
        var query = QueryHelpers.ParseQuery(new Uri("http://x/" + address).Query);
        return CostView.Of(
            query.TryGetValue("days", out var days) ? int.Parse(days!, System.Globalization.CultureInfo.InvariantCulture) : null,
            query.TryGetValue("by", out var by) ? by.ToString() : null,
            name => query.TryGetValue(name, out var value) ? value.ToString() : null
        );
    }

    private static CostView Some(Random random)
    {
        string[] values = ["", "a", "ü &=?#/%+", "*", new('x', 60)];
        string? Value() => random.Next(2) == 0 ? null : values[random.Next(values.Length)];

        var row = new UsageRow
        {
            Tenant = Value(),
            Provider = Value(),
            Model = Value(),
            Feature = Value(),
            User = Value(),
            Key = Value(),
        };
        return new CostView().Into(row) with
        {
            Days = CostView.Periods[random.Next(CostView.Periods.Count)].Days,
            By = CostView.Ways[random.Next(CostView.Ways.Count)].Name,
        };
    }
}
