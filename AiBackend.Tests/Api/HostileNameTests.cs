using System.Text;
using System.Text.Json;
using AiBackend.Tests.Fixtures;
using AiBackend.Tests.Tenancy;

namespace AiBackend.Tests.Api;

/// <summary>A tenant whose every name, tag and answer wants to be more than a text: a header, a line, a command to a terminal, a formula.</summary>
public sealed class HostileNameTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const string Hostile = "=1+1\r\nX-Forged: 1\r\n\r\ndata: {\"forged\":1}\n\n\u001b[2J\u202Etxt\u202C";

    [Fact]
    public async Task A_27_a_name_of_many_lines_is_one_text_wherever_it_is_told()
    {
        var key = await api.AddTenantAsync();
        var tenant = await PlantedTenant.AddAsync(api, key, Hostile);
        using var http = api.Client(key);
        var told = 0;

        foreach (
            var path in tenant
                .Ids.Where(made => made.Key is not ("/responses" or "/batches" or "/dead" or "/runs" or "/file" or "/lines" or "/alerts"))
                .Select(made => $"/api/v1{made.Key}/{made.Value}")
                .Concat([
                    "/api/v1/alerts",
                    "/api/v1/jobs",
                    "/api/v1/dead-letters",
                    "/api/v1/audit",
                    "/api/v1/usage?group_by=feature",
                    "/v1/files",
                    "/v1/batches",
                ])
        )
        {
            using var response = await http.GetAsync(path, TestRun.Cancel);
            var body = await response.Content.ReadAsStringAsync(TestRun.Cancel);
            Assert.True(response.IsSuccessStatusCode, $"{path}: {body}");
            Assert.False(response.Headers.Contains("X-Forged") || response.Content.Headers.Contains("X-Forged"), path);
            Assert.False(body.Any(char.IsControl), $"{path}: {body}");
            told += body.Contains("=1+1\\r\\nX-Forged", StringComparison.Ordinal) ? 1 : 0;
        }

        Assert.True(told > 8, $"{told} answers told it.");
    }

    [Fact]
    public async Task A_27_A_53_an_export_has_one_line_for_a_row_whatever_is_in_it()
    {
        var key = await api.AddTenantAsync();
        await PlantedTenant.AddAsync(api, key, Hostile);
        using var http = api.Client(key);

        var text = await http.GetStringAsync($"/api/v1/tenants/{await PlantedTenant.IdAsync(api, key)}/export", TestRun.Cancel);

        var lines = text.TrimEnd('\n').Split('\n');
        Assert.All(lines, line => Assert.Equal(JsonValueKind.Object, JsonElement.Parse(line).ValueKind));
        Assert.Equal(lines.Length - 2, JsonElement.Parse(lines[^1]).GetProperty("rows").GetInt32());
        Assert.DoesNotContain(text, letter => char.IsControl(letter) && letter != '\n');
        Assert.Contains("X-Forged", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_27_an_answer_of_many_lines_makes_no_event_of_its_own()
    {
        var key = await api.AddTenantAsync();
        var tenant = await PlantedTenant.AddAsync(api, key, Hostile);
        using var http = api.Client(key);
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/jobs/{tenant.Ids["/jobs"]}/events");
        request.Headers.Add("Accept", "text/event-stream");

        using var response = await http.SendAsync(request, TestRun.Cancel);
        var text = Encoding.UTF8.GetString(await response.Content.ReadAsByteArrayAsync(TestRun.Cancel));

        var lines = text.Split('\n');
        Assert.All(
            lines,
            line =>
                Assert.True(
                    line.Length == 0
                        || line[0] == ':'
                        || ((string[])["id: ", "event: ", "data: {", "retry: "]).Any(start =>
                            line.StartsWith(start, StringComparison.Ordinal)
                        ),
                    line
                )
        );
        Assert.DoesNotContain("data: {\"forged\"", lines);
        Assert.DoesNotContain(text, letter => char.IsControl(letter) && letter != '\n');
        Assert.Contains("X-Forged", text, StringComparison.Ordinal);
    }
}
