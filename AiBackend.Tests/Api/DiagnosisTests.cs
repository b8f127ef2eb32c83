using System.Text;
using System.Text.Json;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts;
using AiBackend.Tests.Fuzz;
using FsCheck;
using FsCheck.Fluent;

namespace AiBackend.Tests.Api;

/// <summary>The second look at a body agrees with the first: what was refused has a cause, what was read has none.</summary>
public sealed class DiagnosisTests
{
    private const string Good =
        """{"type":"chat","model":"m","max_attempts":3,"deadline":"2030-01-31T12:00:00Z","metadata":{"a":"b"},"input":{"messages":[{"role":"user","content":"Hi ä \u00e4 \ud83d\ude00"}],"temperature":0.5,"max_output_tokens":9}}""";

    [Fact]
    public void A_85_whatever_is_done_to_a_body_the_diagnosis_agrees_with_the_reader()
    {
        Prop.ForAll(Mutations.Of(Good).ToArbitrary(), Agrees).Check(Config.QuickThrowOnFailure.WithMaxTest(5_000));
    }

    [Fact]
    public void A_85_the_diagnosis_survives_any_bytes()
    {
        Prop.ForAll(Mutations.Any.ToArbitrary(), Agrees).Check(Config.QuickThrowOnFailure.WithMaxTest(2_000));
    }

    private static void Agrees(byte[] body)
    {
        var refusal = BodyDiagnosis.Find(body);
        var readable = IsReadable(body);

        // Two rules are the diagnosis' own: the reader takes U+0000, and does not decode the input of a type it does not know.
        var isOwnRule =
            refusal is not null
            && (refusal.Type == ProblemTypes.InvalidUtf8 || refusal.Detail.Contains("U+0000", StringComparison.Ordinal));
        Assert.True(
            readable == refusal is null || isOwnRule,
            $"{Encoding.Latin1.GetString(body)}\nreadable: {readable}, but {refusal?.Detail}"
        );
        Assert.True(refusal is null || ProblemTypes.All.Contains(refusal.Type));
    }

    private static bool IsReadable(byte[] body)
    {
        try
        {
            var request = JsonSerializer.Deserialize(body, WireJson.Default.SubmitJobRequest);
            if (request?.Input is { } input && request.Type is "chat" or "noop")
            {
                _ =
                    request.Type == "chat"
                        ? (object?)request.Input.Value.Deserialize(WireJson.Default.ChatInput)
                        : request.Input.Value.Deserialize(WireJson.Default.NoopInput);
            }

            return request is not null;
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
