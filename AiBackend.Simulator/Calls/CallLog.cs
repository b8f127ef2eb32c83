using AiBackend.Simulator.Chat;

namespace AiBackend.Simulator.Calls;

/// <summary>The last calls received, so that tests can prove what was sent and what was not.</summary>
internal sealed class CallLog(TimeProvider clock, IConfiguration configuration)
{
    private readonly int _capacity = Math.Max(1, configuration.GetValue("Simulator:CallLogSize", 4096));
    private readonly Lock _gate = new();
    private readonly Queue<SimCall> _calls = new();
    private long _received;
    private int _running;
    private int _peak;

    public SimCall Begin(ChatRequest request, HttpRequest http)
    {
        lock (_gate)
        {
            var call = new SimCall
            {
                Id = FormattableString.Invariant($"chatcmpl-sim-{++_received}"),
                Model = request.Model,
                ReceivedAt = clock.GetUtcNow(),
                Stream = request.Stream,
                Messages = request.Messages,
                MaxTokens = request.MaxTokens,
                Temperature = request.Temperature,
                Authorized = http.Headers.Authorization.Count > 0,
                Accept = First(http, "accept"),
                RequestId = First(http, "x-request-id") ?? First(http, "x-client-request-id"),
                TraceParent = First(http, "traceparent"),
            };
            if (_calls.Count == _capacity)
            {
                _calls.Dequeue();
            }

            _calls.Enqueue(call);
            _peak = Math.Max(_peak, ++_running);
            return call;
        }
    }

    public void End(SimCall call, string outcome, int status)
    {
        lock (_gate)
        {
            call.Status = status;
            call.EndedAt = clock.GetUtcNow();
            call.Outcome = outcome;
            _running--;
        }
    }

    public CallCounts Counts
    {
        get
        {
            lock (_gate)
            {
                return new(_received, _running, _peak);
            }
        }
    }

    /// <summary>Newest last.</summary>
    public IReadOnlyList<SimCall> Find(string? model)
    {
        lock (_gate)
        {
            return [.. _calls.Where(call => model is null || string.Equals(call.Model, model, StringComparison.Ordinal))];
        }
    }

    public void Clear()
    {
        lock (_gate)
        {
            _calls.Clear();
            _peak = _running;
        }
    }

    private static string? First(HttpRequest http, string header) => http.Headers.TryGetValue(header, out var value) ? value[0] : null;
}

/// <summary>Calls since the start, running now, and the most at once since the log was cleared.</summary>
internal sealed record CallCounts(long Received, int Running, int Peak);
