using System.Globalization;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Jobs;

namespace AiBackend.Tests.Chaos;

/// <summary>Folds a job's events to its text, and notes instead of asserting what breaks the rules of the log.</summary>
internal sealed class EventFold
{
    private readonly StringBuilder _text = new();
    private int _attempt;
    private int _running;

    public int LastSeq { get; private set; }

    public int Finals { get; private set; }

    public JobEventRules Rules { get; } = new();

    public Job? Final { get; private set; }

    public string Text => _text.ToString();

    public void Take(int seq, string type, string data)
    {
        Rules.Note(seq != LastSeq + 1, seq, $"follows {LastSeq.ToString(CultureInfo.InvariantCulture)}");
        Rules.Note(Finals > 0, seq, "comes after the end");
        LastSeq = seq;
        switch (type)
        {
            case JobEventTypes.State:
                var state = JsonSerializer.Deserialize(data, WireJson.Default.StateEvent)!;
                Rules.Note(state.Attempt < _running, seq, "is of an older attempt");
                if (state.Status == JobStatuses.Processing)
                {
                    Rules.Note(state.Attempt == _running, seq, "starts an attempt twice");
                    _running = state.Attempt;
                }

                break;
            case JobEventTypes.Delta:
                var delta = JsonSerializer.Deserialize(data, WireJson.Default.DeltaEvent)!;
                TakeText(seq, delta.Attempt, delta.Text, replace: false);
                break;
            case JobEventTypes.Snapshot:
                var snapshot = JsonSerializer.Deserialize(data, WireJson.Default.SnapshotEvent)!;
                TakeText(seq, snapshot.Attempt, snapshot.Text, replace: true);
                break;
            case JobEventTypes.Reset:
                _text.Clear();
                _attempt = 0;
                break;
            case JobEventTypes.Final:
                Finals++;
                Final = data is "{}" ? null : JsonSerializer.Deserialize(data, WireJson.Default.FinalEvent)?.Job;
                break;
        }
    }

    private void TakeText(int seq, int attempt, string text, bool replace)
    {
        Rules.Note(attempt != _running, seq, "is text of another attempt than the running one");
        if (replace || attempt != _attempt)
        {
            _text.Clear();
        }

        _text.Append(text);
        _attempt = attempt;
    }
}

/// <summary>Broken rules of one log: the first few are enough to find it.</summary>
internal sealed class JobEventRules
{
    private const int Kept = 3;
    private readonly List<string> _broken = [];

    public string? Broken => _broken.Count == 0 ? null : string.Join("; ", _broken);

    public void Note(bool broken, int seq, string what)
    {
        if (broken && _broken.Count < Kept)
        {
            _broken.Add(string.Create(CultureInfo.InvariantCulture, $"event {seq} {what}"));
        }
    }
}
