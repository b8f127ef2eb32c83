using System.Text;
using AiBackend.Tests.Architecture;

namespace AiBackend.Tests.Papers;

/// <summary>Something that people do with the API, shown in every language.</summary>
/// <param name="Name">Of its files in docs/examples.</param>
/// <param name="Title">What it is.</param>
/// <param name="About">What to know first.</param>
internal sealed record ApiTask(string Name, string Title, string About)
{
    public const string Folder = "docs/examples";

    /// <summary>Extension of the file, and what readers call the language.</summary>
    public static IReadOnlyList<(string Extension, string Fence, string Language)> Languages { get; } =
    [("sh", "sh", "curl"), ("cs", "csharp", "C#"), ("mjs", "js", "JavaScript"), ("py", "python", "Python")];

    public string File(string extension) => $"{Folder}/{Name}.{extension}";
}

/// <summary>The part of docs/api.md with an example of each task: the files that the tests run, as they are.</summary>
internal static class ApiTasks
{
    public static IReadOnlyList<ApiTask> All { get; } =
    [
        new("wait", "Submit and wait", "One call for what takes seconds. What takes longer goes on as a job, and is asked for again."),
        new(
            "stream",
            "Submit and watch, and go on where you were",
            "The text while it is written; a connection that breaks costs nothing."
        ),
        new(
            "contract",
            "Get data instead of prose",
            "With a contract an answer counts when it fits its schema and keeps its rules; otherwise the model is told what is wrong."
        ),
        new(
            "files",
            "Give files to a job and have one back",
            "Text, tables, JSON, PDFs and pictures go in; an answer comes out as a file of the type that was asked for. [More](files.md)."
        ),
        new(
            "knowledge",
            "Let answers rest on your own texts",
            "Documents are found by their words, by those who may read them, and given to the model with their sources."
        ),
        new(
            "conversation",
            "Go on with a conversation",
            "Jobs say what is new; the model is told what was said before. [More](conversations.md)."
        ),
        new(
            "prompt",
            "Keep prompts out of programs",
            "Jobs name a prompt and fill in its variables; which version they get is a label's to say. [More](#prompts)."
        ),
        new(
            "workflow",
            "Do work in several steps",
            "Each step is a job of its own, done once whoever dies; what it gave can be read as soon as it has ended. [More](workflows.md)."
        ),
        new(
            "review",
            "Decide about a result",
            "A result that a contract leaves to a person waits until somebody approves it, as it is or edited, or rejects it."
        ),
        new(
            "tool",
            "Let the model use a tool",
            "A [registered tool](#registered-tools) is run here, and the model goes on with its result; what was called is told."
        ),
        new(
            "clienttool",
            "Let the model use a tool of your own program",
            "Registered with the kind `client`: the job waits for its result, which your program posts, and goes on with it."
        ),
        new("retry", "Repeat without fear", "With an `Idempotency-Key` a repeat finds the job of the first call."),
        new("list", "Find jobs", "All [filters](#lists) may be combined."),
        new("cancel", "Cancel", "Also what runs already."),
        new("chat", "OpenAI's SDK: a chat completion", "Only address and key are others; [what is supported](#openai-compatible-api)."),
        new(
            "background",
            "OpenAI's SDK: a response in the background",
            "Goes on whoever leaves, and is read from any [number](#responses) on."
        ),
        new("keys", "Make, roll and revoke a key", "[What a key may be bound to](#tenants-and-keys)."),
        new("money", "Set a budget and read what was spent", "[More about money](#money)."),
        new(
            "webhook",
            "Be told by a webhook",
            "Make one with curl; the programs receive what it sends and check the signature, with its secret in `WEBHOOK_SECRET`. [How it tries again](#webhooks)."
        ),
    ];

    public static string Write()
    {
        var text = new StringBuilder();
        foreach (var task in All)
        {
            text.Append($"### {task.Title}\n\n{task.About}\n");
            foreach (var (extension, fence, language) in ApiTask.Languages)
            {
                if (!File.Exists(Repository.Full(task.File(extension))))
                {
                    continue;
                }

                var code = $"```{fence}\n{Repository.Read(task.File(extension)).TrimEnd()}\n```";
                // The first is there to be read, the others open where they are wanted.
                text.Append(extension == "sh" ? $"\n{code}\n" : $"\n<details><summary>{language}</summary>\n\n{code}\n\n</details>\n");
            }

            text.Append('\n');
        }

        return text.ToString();
    }
}
