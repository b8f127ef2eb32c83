// dotnet add package OpenAI
#pragma warning disable OPENAI001 // The package calls its responses experimental.
using System.ClientModel;
using OpenAI.Responses;

var client = new ResponsesClient(
    new ApiKeyCredential(Environment.GetEnvironmentVariable("AIBACKEND_KEY")!),
    new ResponsesClientOptions { Endpoint = new(Environment.GetEnvironmentVariable("AIBACKEND_URL") + "/v1") }
);

ResponseItem[] input = [ResponseItem.CreateUserMessageItem("Why is the sky blue?")];
ResponseResult begun = await client.CreateResponseAsync(new CreateResponseOptions("default", input) { BackgroundModeEnabled = true });

int? last = null;
for (var ended = false; !ended; )
{
    try
    {
        var options = new GetResponseOptions(begun.Id) { StreamingEnabled = true, StartingAfter = last };
        await foreach (var update in await client.GetResponseStreamingAsync(options))
        {
            last = update.SequenceNumber;
            ended |= update is StreamingResponseCompletedUpdate or StreamingResponseFailedUpdate or StreamingResponseIncompleteUpdate;
            Console.Write(update is StreamingResponseOutputTextDeltaUpdate delta ? delta.Delta : "");
        }
    }
    catch (Exception cut) when (cut is IOException or HttpRequestException)
    {
        await Task.Delay(1000); // Then go on behind the last number that was seen.
    }
}
