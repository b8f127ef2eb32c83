using System.Net;
using System.Text;
using AiBackend.Tests.Api;
using AiBackend.Tests.Fixtures;
using FsCheck.Fluent;

namespace AiBackend.Tests.Fuzz;

/// <summary>Forms with files that were good once: each is stored or refused, and of a refused one nothing stays.</summary>
public sealed class UploadFuzzTests(ApiServer api) : IClassFixture<ApiServer>
{
    private const int Forms = 120;
    private const int FormsForLong = 10_000;
    private const int AtOnce = 8;

    private static readonly byte[][] Fragments =
    [
        Bytes("\r\n--x\r\n"),
        Bytes("\r\n--x--\r\n"),
        Bytes("--x"),
        Bytes("\r\n\r\n"),
        Bytes("Content-Disposition: form-data; name=\"file\"\r\n"),
        Bytes("; filename*=UTF-8''%00%ED%A0%80/..%2F..%2Fa"),
        Bytes("; filename=\"=?utf-16?B?ANg=?=\""),
        Bytes("; name=\"=?utf-8?B?AAAA?=\""),
        Bytes("Content-Transfer-Encoding: base64\r\n"),
        Bytes("X: " + new string('y', 5000)),
        Bytes(string.Concat(Enumerable.Repeat("A: b\r\n", 20))),
    ];

    public static TheoryData<string, string[]> Doors =>
        new()
        {
            {
                "/api/v1/files",
                [
                    Part("name=\"file\"; filename=\"a.txt\"", "Some text ä.") + "--x--\r\n",
                    Part("name=\"expires_after\"", "3600") + Part("name=\"file\"; filename*=UTF-8''a%C3%A4.csv", "a,b\n1,2") + "--x--\r\n",
                ]
            },
            {
                "/v1/files",
                [
                    Part("name=\"purpose\"", "batch")
                        + Part("name=\"file\"; filename=\"a.jsonl\"", "{\"custom_id\":\"a\"}\n")
                        + "--x--\r\n",
                    Part("name=\"file\"; filename=\"a.md\"", "# Text")
                        + Part("name=\"expires_after[anchor]\"", "created_at")
                        + Part("name=\"expires_after[seconds]\"", "3600")
                        + Part("name=\"purpose\"", "user_data")
                        + "--x--\r\n",
                ]
            },
        };

    public static TheoryData<string> Boundaries =>
        ["", "\"\"", "\"x", "x y", new string('b', 71), "y;boundary=x", "\u00e4", "\"\\\"\"", "--", "=?utf-8?B?eA==?="];

    [Theory]
    [MemberData(nameof(Doors))]
    public Task A_85_no_form_makes_the_server_fail_or_leaves_half_a_file(string path, string[] good) => SendAsync(path, good, Forms);

    [Theory]
    [MemberData(nameof(Doors))]
    [Trait("Category", "Long")]
    public Task A_85_no_form_makes_the_server_fail_or_leaves_half_a_file_for_long(string path, string[] good) =>
        SendAsync(path, good, FormsForLong);

    [Theory]
    [MemberData(nameof(Boundaries))]
    public async Task A_85_no_boundary_makes_the_server_fail(string boundary)
    {
        var status = await AnswerAsync("/api/v1/files", Bytes(Part("name=\"file\"", "x") + "--x--\r\n"), boundary);

        Assert.True((int)status is >= 400 and < 500, $"{status}");
    }

    private async Task SendAsync(string path, string[] good, int forms)
    {
        var whole = good.Select(Bytes).ToList();
        foreach (var form in whole)
        {
            var status = await AnswerAsync(path, form, "x");
            Assert.True((int)status < 300, $"{status} for {Encoding.UTF8.GetString(form)}");
        }

        foreach (var saved in SavedInputs.Of(path))
        {
            await AnswerAsync(path, saved, "x");
        }

        await Parallel.ForEachAsync(
            Mutations.Of([.. whole, .. SavedInputs.Of(path)], Fragments).Sample(forms),
            new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = TestRun.Cancel },
            async (form, _) => await AnswerAsync(path, form, "x")
        );

        await using var half = api.Db.Source.CreateCommand("SELECT count(*) FROM files WHERE ready_at IS NULL");
        await Eventually.TrueAsync(async token => await half.ExecuteScalarAsync(token) is 0L, "of what was refused nothing is left");
    }

    private async Task<HttpStatusCode> AnswerAsync(string path, byte[] form, string boundary)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = new ByteArrayContent(form) };
        request.Content.Headers.TryAddWithoutValidation("Content-Type", $"multipart/form-data; boundary={boundary}");
        using var response = await api.Http.SendAsync(request, TestRun.Cancel);
        var text = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(
            response.StatusCode is < HttpStatusCode.InternalServerError and not HttpStatusCode.TooManyRequests,
            $"{response.StatusCode} {text} for {Convert.ToBase64String(form)}"
        );
        Assert.True((int)response.StatusCode < 400 || text.Contains("\"code\":", StringComparison.Ordinal), text);
        return response.StatusCode;
    }

    private static string Part(string disposition, string content) =>
        $"--x\r\nContent-Disposition: form-data; {disposition}\r\n\r\n{content}\r\n";

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);
}
