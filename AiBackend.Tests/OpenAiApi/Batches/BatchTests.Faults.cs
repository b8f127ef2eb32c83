namespace AiBackend.Tests.OpenAiApi.Batches;

// Where in a file something is wrong.
public sealed partial class BatchTests
{
    [Fact]
    public async Task A_43_all_that_is_wrong_with_the_lines_is_said_at_once_with_the_number_of_each()
    {
        var http = await TenantAsync();
        var text = string.Join(
            '\n',
            Line("1"),
            "{\"custom_id\":\"2\"",
            Line("3").Replace("/v1/chat/completions", "/v1/embeddings", StringComparison.Ordinal),
            Line("4"),
            Line("1"),
            Line("6", "[]"),
            Line("7")
        );

        var batch = await UntilAsync(http, await CreateAsync(http, text), "failed");

        Assert.Equal(
            [("invalid_json_line", 2), ("mismatched_url", 3), ("duplicate_custom_id", 5), ("missing_required_parameter", 6)],
            batch
                .GetProperty("errors")
                .GetProperty("data")
                .EnumerateArray()
                .Select(each => (Text(each, "code")!, each.GetProperty("line").GetInt32()))
        );
        Assert.Equal(0L, await CountAsync(batch, "job_id IS NOT NULL"));
    }

    [Fact]
    public async Task A_43_a_name_is_found_twice_however_many_lines_are_between()
    {
        var http = await TenantAsync();
        // More than are read at once.
        var text = string.Join('\n', Enumerable.Range(1, 4_500).Select(i => Line(i == 4_400 ? "7" : $"{i}", "{}")));

        var batch = await UntilAsync(http, await CreateAsync(http, text), "failed");

        var fault = Assert.Single(batch.GetProperty("errors").GetProperty("data").EnumerateArray());
        Assert.Equal(("duplicate_custom_id", 4_400), (Text(fault, "code"), fault.GetProperty("line").GetInt32()));
        Assert.Contains("line 7", Text(fault, "message"), StringComparison.Ordinal);
    }
}
