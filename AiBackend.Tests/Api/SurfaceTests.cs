using System.Net;
using System.Text.Json;
using AiBackend.Api.Problems;
using AiBackend.Tests.Fixtures;
using Microsoft.AspNetCore.Authorization;

namespace AiBackend.Tests.Api;

/// <summary>What is reachable, by whom, and that the papers say the same.</summary>
public sealed class SurfaceTests(ApiServer api) : IClassFixture<ApiServer>
{
    private static readonly string[] Open =
    [
        "/health/live",
        "/health/ready",
        "/problems",
        "/problems/{slug}",
        "/api/v1/sessions",
        "/api/v1/setup",
        "/api/v1/webhooks/inbound/{id}/messages",
    ];

    public static TheoryData<string> Slugs => [.. ProblemTypes.All.Select(problem => problem.Slug)];

    private IEnumerable<RouteEndpoint> Endpoints => api.Get<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>();

    [Fact]
    public void D_1_every_endpoint_names_its_policy_or_is_on_the_list_of_open_ones()
    {
        foreach (var endpoint in Endpoints)
        {
            var pattern = Pattern(endpoint);
            var isOpen = endpoint.Metadata.GetMetadata<IAllowAnonymous>() is not null;

            Assert.True(isOpen == Open.Contains(pattern), $"{pattern} lets anybody in: {isOpen}.");
            Assert.True(
                isOpen || endpoint.Metadata.GetOrderedMetadata<IAuthorizeData>().Any(data => data.Policy is not null),
                $"{pattern} names no policy."
            );
        }
    }

    [Fact]
    public async Task A_80_the_document_lists_exactly_the_mapped_routes()
    {
        using var document = JsonDocument.Parse(await api.Http.GetStringAsync("/openapi/v1.json", TestRun.Cancel));
        var documented = document
            .RootElement.GetProperty("paths")
            .EnumerateObject()
            .SelectMany(path => path.Value.EnumerateObject().Select(method => $"{method.Name.ToUpperInvariant()} {path.Name}"));

        var mapped = Endpoints
            .Where(endpoint => Pattern(endpoint).StartsWith("/api/", StringComparison.Ordinal))
            .SelectMany(endpoint =>
                endpoint.Metadata.GetMetadata<IHttpMethodMetadata>()!.HttpMethods.Select(method => $"{method} {Pattern(endpoint)}")
            )
            // A parameter that takes the rest of an address is an ordinary one to the document.
            .Select(route => route.Replace("{**", "{", StringComparison.Ordinal));

        Assert.Equal(mapped.Order(StringComparer.Ordinal), documented.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task The_document_describes_every_member_and_every_answer()
    {
        using var document = JsonDocument.Parse(await api.Http.GetStringAsync("/openapi/v1.json", TestRun.Cancel));
        var root = document.RootElement;

        foreach (var schema in root.GetProperty("components").GetProperty("schemas").EnumerateObject())
        {
            foreach (var member in schema.Value.TryGetProperty("properties", out var members) ? members.EnumerateObject() : default)
            {
                Assert.True(
                    member.Value.TryGetProperty("description", out _)
                        || member.Value.TryGetProperty("$ref", out _)
                        || member.Value.TryGetProperty("oneOf", out _),
                    $"{schema.Name}.{member.Name} has no description."
                );
            }
        }

        foreach (var operation in root.GetProperty("paths").EnumerateObject().SelectMany(path => path.Value.EnumerateObject()))
        {
            foreach (var answer in operation.Value.GetProperty("responses").EnumerateObject())
            {
                Assert.NotEmpty(answer.Value.GetProperty("description").GetString()!);
                Assert.True(
                    answer.Name[0] == '2' || answer.Value.GetProperty("content").TryGetProperty("application/problem+json", out _),
                    $"{operation.Value.GetProperty("operationId")} {answer.Name}"
                );
            }
        }
    }

    [Fact]
    public async Task A_6_A_7_whatever_needs_a_key_says_that_guesses_are_refused()
    {
        using var document = JsonDocument.Parse(await api.Http.GetStringAsync("/openapi/v1.json", TestRun.Cancel));

        var silent = document
            .RootElement.GetProperty("paths")
            .EnumerateObject()
            .SelectMany(path => path.Value.EnumerateObject())
            .Where(operation =>
                !operation.Value.GetProperty("description").GetString()!.EndsWith("Needs no key.", StringComparison.Ordinal)
            )
            .Where(operation =>
                !operation
                    .Value.GetProperty("responses")
                    .GetProperty("429")
                    .GetProperty("description")
                    .GetString()!
                    .Contains("(`too_many_attempts`)", StringComparison.Ordinal)
            )
            .Select(operation => operation.Value.GetProperty("operationId").GetString());

        Assert.Empty(silent);
    }

    [Fact]
    public async Task The_example_in_the_document_is_a_job_that_is_accepted()
    {
        using var document = JsonDocument.Parse(await api.Http.GetStringAsync("/openapi/v1.json", TestRun.Cancel));
        var example = document
            .RootElement.GetProperty("components")
            .GetProperty("schemas")
            .GetProperty("SubmitJobRequest")
            .GetProperty("examples")[0];

        await api.SubmitAsync(example.GetRawText());
    }

    [Theory]
    [InlineData("/metrics")]
    [InlineData("/swagger")]
    [InlineData("/swagger/index.html")]
    [InlineData("/openapi/v1.json")]
    [InlineData("/.git/config")]
    [InlineData("/appsettings.json")]
    [InlineData("/_framework/blazor.web.js")]
    [InlineData("/aspire")]
    [InlineData("/")]
    [InlineData("/api/v1/jobs")]
    [InlineData("/api/v1/JOBS/")]
    [InlineData("/api/v1/providers")]
    [InlineData("/api/v1/stats")]
    [InlineData("//api/v1/jobs")]
    [InlineData("/api/v1/%2e%2e/v1/jobs")]
    [InlineData("/api/v1/jobs;a=b")]
    [InlineData("/problems/../api/v1/jobs")]
    [InlineData("/hubs/jobs")]
    public async Task A_70_and_a_18_nothing_but_the_open_addresses_answers_without_a_key(string path)
    {
        using var response = await api.Client(null)
            .GetAsync(
                new Uri(api.Address + path.TrimStart('/').Insert(0, path.StartsWith("//", StringComparison.Ordinal) ? "/" : "")),
                TestRun.Cancel
            );

        Assert.Equal(HttpStatusCode.Unauthorized, response.StatusCode);
        Assert.Equal("/problems/unauthorized", (await ApiServer.ReadProblemAsync(response)).Type);
    }

    [Fact]
    public async Task An_unknown_address_is_a_problem_that_names_it()
    {
        using var response = await api.Http.GetAsync("/api/v1/jbos", TestRun.Cancel);

        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Equal("/problems/not-found", problem.Type);
        Assert.Contains("\"/api/v1/jbos\"", problem.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("PUT", "/api/v1/jobs", "GET, POST")]
    [InlineData("PUT", "/api/v1/jobs/00000000-0000-0000-0000-000000000000", "DELETE, GET")]
    [InlineData("GET", "/api/v1/jobs/00000000-0000-0000-0000-000000000000/cancel", "POST")]
    [InlineData("OPTIONS", "/api/v1/jobs", "GET, POST")]
    [InlineData("TRACE", "/api/v1/jobs", "GET, POST")]
    [InlineData("BREW", "/api/v1/jobs", "GET, POST")]
    public async Task A_77_a_wrong_method_is_a_problem_that_names_the_right_ones(string method, string path, string allowed)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path);

        using var response = await api.Http.SendAsync(request, TestRun.Cancel);

        var problem = await ApiServer.ReadProblemAsync(response);
        Assert.Equal("/problems/method-not-allowed", problem.Type);
        Assert.Equal(allowed, string.Join(", ", response.Content.Headers.Allow));
        Assert.Contains(allowed, problem.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_18_a_method_override_is_ignored()
    {
        var job = await api.SubmitAsync();
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/api/v1/jobs/{job.Id}/trace");
        request.Headers.Add("X-HTTP-Method-Override", "DELETE");

        using var response = await api.Http.SendAsync(request, TestRun.Cancel);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public async Task A_25_other_origins_are_not_invited()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/v1/providers");
        request.Headers.Add("Origin", "https://evil.example");

        using var response = await api.Http.SendAsync(request, TestRun.Cancel);

        Assert.DoesNotContain(response.Headers, header => header.Key.StartsWith("Access-Control", StringComparison.OrdinalIgnoreCase));
    }

    [Theory]
    [InlineData("/api/v1/providers")]
    [InlineData("/api/v1/nothing")]
    [InlineData("/problems/not-found")]
    [InlineData("/health/live")]
    [InlineData("/openapi/v1.json")]
    public async Task A_72_D_23_no_answer_can_be_sniffed_or_says_what_serves_it(string path)
    {
        using var response = await api.Http.GetAsync(path, TestRun.Cancel);

        Assert.Equal(["nosniff"], response.Headers.GetValues("X-Content-Type-Options"));
        Assert.False(response.Headers.Contains("Server"));
        Assert.False(response.Headers.Contains("X-Powered-By"));
    }

    [Fact]
    public void The_list_of_problems_and_their_paper_are_the_same()
    {
        var paper = ProblemPages.ReadSections().Where(section => section.Key.Length > 0).ToList();

        Assert.Equal(
            ProblemTypes.All.Select(problem => problem.Slug).Order(StringComparer.Ordinal),
            paper.Select(section => section.Key).Order(StringComparer.Ordinal)
        );
        foreach (var (slug, text) in paper)
        {
            var problem = ProblemTypes.All.Single(problem => problem.Slug == slug);
            Assert.Contains($"**{problem.Status} · {problem.Title}**", text, StringComparison.Ordinal);
            Assert.Contains("**Remedy.**", text, StringComparison.Ordinal);
        }

        var fields = typeof(ProblemTypes).GetFields().Where(field => field.FieldType == typeof(ProblemType));
        Assert.Equal(fields.Select(field => field.GetValue(null)).ToHashSet(), ProblemTypes.All.ToHashSet<object?>());
    }

    [Theory]
    [MemberData(nameof(Slugs))]
    public async Task Every_problem_has_a_page_for_anybody(string slug)
    {
        using var response = await api.Client(null).GetAsync("/problems/" + slug, TestRun.Cancel);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("text/html", response.Content.Headers.ContentType!.MediaType);
        var page = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.Contains($"<h1>{slug}</h1>", page, StringComparison.Ordinal);
        Assert.Contains("Remedy", page, StringComparison.Ordinal);
        Assert.StartsWith(
            "default-src 'none'",
            Assert.Single(response.Headers.GetValues("Content-Security-Policy")),
            StringComparison.Ordinal
        );
    }

    [Fact]
    public async Task The_overview_of_problems_links_to_all_of_them_and_an_unknown_one_is_not_found()
    {
        var overview = await api.Client(null).GetStringAsync("/problems", TestRun.Cancel);
        using var unknown = await api.Client(null).GetAsync("/problems/none", TestRun.Cancel);

        Assert.All(ProblemTypes.All, problem => Assert.Contains($"href=\"{problem.Address}\"", overview, StringComparison.Ordinal));
        Assert.Equal("/problems/not-found", (await ApiServer.ReadProblemAsync(unknown)).Type);
    }

    private static string Pattern(RouteEndpoint endpoint) => "/" + endpoint.RoutePattern.RawText!.Trim('/');
}
