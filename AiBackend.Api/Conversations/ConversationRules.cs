using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.ApiContracts.Conversations;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Api.Conversations;

/// <summary>What a conversation must look like, and a job that continues one.</summary>
internal static class ConversationRules
{
    private const int MaxTitle = 200;
    private const int MaxInstructions = 32_768;
    private const int MaxUser = 128;
    private const int MaxMessages = 2_000;
    private const int MinTokens = 256;
    private const int MaxTokens = 1_000_000;

    public static Refusal? Check(NewConversation request)
    {
        var errors = new FieldErrors();
        errors.CheckText("title", request.Title, MaxTitle);
        errors.CheckText("instructions", request.Instructions, MaxInstructions);
        errors.CheckText("user", request.User, MaxUser);
        MetadataRules.Check(request.Metadata, errors);
        CheckMessages(request.Messages ?? [], errors);
        return errors.ToRefusal();
    }

    public static Refusal? Check(NewMessages request)
    {
        var errors = new FieldErrors();
        if (request.Messages is not { Count: > 0 })
        {
            errors.Add("messages", "is missing or empty; send at least one.");
        }

        CheckMessages(request.Messages ?? [], errors);
        return errors.ToRefusal();
    }

    public static Refusal? Check(BranchRequest request)
    {
        var errors = new FieldErrors();
        errors.CheckText("title", request.Title, MaxTitle);
        errors.CheckRange("after", request.After, 0, int.MaxValue);
        return errors.ToRefusal();
    }

    public static Refusal? Check(string user, UserProfileRequest request)
    {
        var errors = new FieldErrors();
        if (string.IsNullOrWhiteSpace(request.Text))
        {
            errors.Add("text", "is missing or empty; DELETE the profile if nothing is known of the user.");
        }

        errors.CheckText("text", request.Text, MaxInstructions);
        errors.CheckText("user", user, MaxUser);
        return errors.ToRefusal();
    }

    /// <summary>The member <c>conversation</c> of a job, and what does not go with it.</summary>
    /// <param name="request">All but the input.</param>
    /// <param name="input">The input.</param>
    /// <param name="errors">Takes what is wrong.</param>
    /// <param name="root">What stands in front of the paths of the input.</param>
    public static void CheckOfJob(SubmitJobRequest request, StoredInput input, FieldErrors errors, string root = "input.")
    {
        if (request.Conversation is not { } asked)
        {
            return;
        }

        if (asked.Id is null)
        {
            errors.Add("conversation.id", "is missing; send the id of a conversation.");
        }

        if (asked.Overlap is { } overlap && !Overlaps.All.Contains(overlap, StringComparer.Ordinal))
        {
            errors.Add("conversation.overlap", $"is {Quoted.Of(overlap)}; it must be one of {string.Join(", ", Overlaps.All)}.");
        }

        errors.CheckRange("conversation.max_tokens", asked.MaxTokens, MinTokens, MaxTokens);
        if (request.Cache is "read_write")
        {
            errors.Add("cache", "is \"read_write\"; the answer of a job that continues a conversation is not shared.");
        }

        if (input.NoTurn is var (field, message))
        {
            errors.Add(root + field, message);
        }
    }

    /// <summary>Messages of the job alone are what a user says; what was said before, and what is always told, the conversation has.</summary>
    public static (string Field, string Message)? WhyNoTurn(ChatInput chat)
    {
        var messages = chat.Messages ?? [];
        var first = messages.TakeWhile(message => message.Role is "system" or "developer").Count();
        var wrong = messages.Skip(first).TakeWhile(message => message.Role == "user").Count() + first;
        return chat.Prompt is not null ? ("prompt", "is given with conversation; put its words into the conversation's instructions.")
            : chat.Tools?.Any(tool => tool.Registered is null) == true
                ? ("tools", "has a tool that is not registered, whose results a conversation does not keep; name registered tools.")
            : wrong < messages.Count
                ? (
                    FormattableString.Invariant($"messages[{wrong}].role"),
                    $"is {Quoted.Of(messages[wrong].Role ?? "")}; with conversation, messages are what the user says now, after those of the role system, if any."
                )
            : messages.Any(message => string.IsNullOrWhiteSpace(message.Content))
                ? ("messages", "has a message without text, which a conversation would not remember; say something about its files.")
            : first == messages.Count ? ("messages", "has no message of the role user, which a job with conversation needs.")
            : null;
    }

    private static void CheckMessages(IReadOnlyList<NewMessage> messages, FieldErrors errors)
    {
        if (messages.Count > MaxMessages)
        {
            errors.Add("messages", $"has {messages.Count} messages; at most {MaxMessages} are allowed at a time.");
        }

        for (var i = 0; i < messages.Count; i++)
        {
            var place = FormattableString.Invariant($"messages[{i}]");
            if (messages[i]?.Role is not ("user" or "assistant"))
            {
                errors.Add(place + ".role", $"is {Quoted.Of(messages[i]?.Role ?? "")}; it must be user or assistant.");
            }

            if (string.IsNullOrWhiteSpace(messages[i]?.Content))
            {
                errors.Add(place + ".content", "has no text; send some, or leave the message out.");
            }
        }
    }
}
