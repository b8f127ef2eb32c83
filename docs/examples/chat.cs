// dotnet add package OpenAI
using System.ClientModel;
using OpenAI;
using OpenAI.Chat;

var client = new ChatClient(
    "default",
    new ApiKeyCredential(Environment.GetEnvironmentVariable("AIBACKEND_KEY")!),
    new OpenAIClientOptions { Endpoint = new(Environment.GetEnvironmentVariable("AIBACKEND_URL") + "/v1") }
);

ChatCompletion answer = await client.CompleteChatAsync("Why is the sky blue?");
Console.WriteLine(answer.Content[0].Text);

await foreach (var update in client.CompleteChatStreamingAsync("And in one sentence?"))
{
    Console.Write(string.Concat(update.ContentUpdate.Select(part => part.Text)));
}
