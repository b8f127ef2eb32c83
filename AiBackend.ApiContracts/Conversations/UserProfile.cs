namespace AiBackend.ApiContracts.Conversations;

/// <summary>What models are told of one of the caller's users, in every conversation of that user.</summary>
/// <param name="User">The user.</param>
/// <param name="Text">What is known.</param>
/// <param name="UpdatedAt">When it was written.</param>
/// <param name="UpdatedBy">Public id of the API key that wrote it.</param>
public sealed record UserProfile(string User, string Text, DateTimeOffset UpdatedAt, string UpdatedBy);

/// <summary>Body of <c>PUT /api/v1/profiles/{user}</c>.</summary>
public sealed record UserProfileRequest
{
    /// <summary>What is known of the user, plain or Markdown; 1 to 32 768 characters. Models are told as much of it as an eighth of their budget holds.</summary>
    public string? Text { get; init; }
}

/// <summary>Body of <c>POST /api/v1/conversations/{id}/branch</c>.</summary>
public sealed record BranchRequest
{
    /// <summary>Number of the last message that the new conversation has too; all of them when it is left out.</summary>
    public int? After { get; init; }

    /// <summary>What it is called, at most 200 characters; as the other one when it is left out.</summary>
    public string? Title { get; init; }
}
