using System.Text.Json;

namespace AiBackend.Api.Reviews;

/// <summary>What a job was asked, as text for rules that look for citations.</summary>
internal static class ReviewInput
{
    /// <summary>Every text in the input, in order.</summary>
    public static string TextOf(JsonElement? input)
    {
        var texts = new List<string>();
        if (input is { } root)
        {
            Collect(root, texts);
        }

        return string.Join('\n', texts);
    }

    private static void Collect(JsonElement value, List<string> texts)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (var member in value.EnumerateObject())
                {
                    Collect(member.Value, texts);
                }

                break;
            case JsonValueKind.Array:
                foreach (var item in value.EnumerateArray())
                {
                    Collect(item, texts);
                }

                break;
            case JsonValueKind.String:
                texts.Add(value.GetString()!);
                break;
        }
    }
}
