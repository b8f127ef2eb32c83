namespace AiBackend.ApiContracts.Jobs;

/// <summary>For whom a ticket is.</summary>
public sealed record CreateStreamTicketRequest
{
    /// <summary>The address that the reader comes from, as this server sees it; of IPv6 the first 64 bits count. Left out, the one that this request comes from.</summary>
    public string? Address { get; init; }
}

/// <summary>Opens the events of one job, once.</summary>
/// <param name="Ticket">What the reader sends as <c>?ticket=</c>. Nobody can show it again.</param>
/// <param name="ExpiresAt">From then on it opens nothing: 60 seconds after it was made.</param>
/// <param name="Url">Where the reader sends it, with the ticket in it.</param>
public sealed record StreamTicket(string Ticket, DateTimeOffset ExpiresAt, string Url);
