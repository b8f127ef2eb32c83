using System.Text.RegularExpressions;

namespace AiBackend.LocalHost.Supervision;

/// <summary>Shows every process's lines under its name and colour, and keeps them in <c>logs/{name}.log</c>.</summary>
internal sealed partial class HostOutput(string logDirectory, bool console, TimeProvider time) : IDisposable
{
    public const string Host = "host";

    private const long MaxLogFileBytes = 32 * 1024 * 1024;
    private static readonly string[] Colours = ["36", "33", "35", "32", "34", "96", "93", "95", "92", "94"];

    private readonly Lock _lock = new();
    private readonly Dictionary<string, StreamWriter> _files = [];
    private readonly Dictionary<string, string> _colours = new() { [Host] = "1" };
    private readonly bool _colour = !Console.IsOutputRedirected && Environment.GetEnvironmentVariable("NO_COLOR") is not { Length: > 0 };
    private int _width = Host.Length;
    private bool _disposed;

    public void Declare(string source)
    {
        _colours.TryAdd(source, Colours[(_colours.Count - 1) % Colours.Length]);
        _width = Math.Max(_width, source.Length);
    }

    public void Say(string message) => Write(Host, message);

    public void Write(string source, string line)
    {
        var plain = AnsiSequence().Replace(line, "");
        lock (_lock)
        {
            if (_disposed)
            {
                return;
            }

            if (console)
            {
                Console.Out.WriteLine(
                    _colour
                        ? $"\e[{_colours.GetValueOrDefault(source, "0")}m{source.PadRight(_width)} |\e[0m {line}"
                        : $"{source.PadRight(_width)} | {plain}"
                );
            }

            var file = FileFor(source);
            file.Write(time.GetLocalNow().ToString("yyyy-MM-dd HH:mm:ss.fff ", System.Globalization.CultureInfo.InvariantCulture));
            file.WriteLine(plain);
        }
    }

    public string LogFile(string source) => Path.Combine(logDirectory, $"{source}.log");

    public IReadOnlyList<string> LastLines(string source, int count)
    {
        lock (_lock)
        {
            return File.Exists(LogFile(source)) ? [.. File.ReadLines(LogFile(source)).TakeLast(count)] : [];
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            foreach (var file in _files.Values)
            {
                file.Dispose();
            }

            _files.Clear();
        }
    }

    private StreamWriter FileFor(string source)
    {
        if (_files.TryGetValue(source, out var open) && open.BaseStream.Length < MaxLogFileBytes)
        {
            return open;
        }

        open?.Dispose();
        var path = LogFile(source);
        if (File.Exists(path))
        {
            File.Move(path, path + ".1", overwrite: true);
        }

        return _files[source] = new StreamWriter(path) { AutoFlush = true };
    }

    [GeneratedRegex(@"\e\[[0-9;?]*[A-Za-z]", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex AnsiSequence();
}
