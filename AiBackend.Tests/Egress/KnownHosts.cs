using System.Net;
using System.Net.Sockets;
using AiBackend.Core.Egress;

namespace AiBackend.Tests.Egress;

/// <summary>Answers for names as a test says; each answer once, the last one for ever. What it does not know it has no address for.</summary>
internal sealed class KnownHosts : IEgressResolver
{
    private readonly Dictionary<string, Queue<string[]>> _answers = new(StringComparer.Ordinal);

    public int Asked { get; private set; }

    public KnownHosts Add(string host, params string[] addresses)
    {
        _answers.TryAdd(host, new());
        _answers[host].Enqueue(addresses);
        return this;
    }

    public Task<IPAddress[]> ResolveAsync(string host, CancellationToken cancellationToken)
    {
        Asked++;
        if (!_answers.TryGetValue(host, out var answers))
        {
            throw new SocketException((int)SocketError.HostNotFound);
        }

        var addresses = answers.Count > 1 ? answers.Dequeue() : answers.Peek();
        return Task.FromResult<IPAddress[]>([.. addresses.Select(IPAddress.Parse)]);
    }
}
