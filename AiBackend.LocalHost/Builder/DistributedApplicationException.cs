namespace Aspire.Hosting;

/// <summary>Something the person at the keyboard can mend; the message says what and how.</summary>
public sealed class DistributedApplicationException(string message) : Exception(message);
