using System.Text.RegularExpressions;

namespace AiBackend.Tests.Architecture;

/// <summary>Layout rules that no analyzer knows.</summary>
public sealed class SourceRuleTests
{
    private const int MaxLines = 300;
    private const int MaxProgramLines = 40;

    private static readonly string[] Sources = [".cs", ".razor", ".js", ".mjs", ".ts", ".py", ".sh", ".sql"];

    private static readonly string[] BannedFolders = ["Common", "Dtos", "Helpers", "Interfaces", "Managers", "Models", "Services", "Utils"];

    [Fact]
    public async Task A_file_has_at_most_300_lines_or_says_at_its_top_why_it_is_long()
    {
        var files = await Repository.FilesAsync();

        var tooLong = files
            .Where(file => Sources.Contains(Path.GetExtension(file)))
            .Select(file => (File: file, Lines: File.ReadAllLines(Repository.Full(file))))
            .Where(file => file.Lines.Length > MaxLines && !file.Lines.Take(10).Any(line => line.Contains("Long because ")))
            .Select(file => $"{file.File}: {file.Lines.Length} lines");
        Findings.None($"Split it, or say \"Long because …\" in its first lines (more than {MaxLines} lines).", tooLong);
    }

    [Fact]
    public async Task A_folder_is_named_after_a_feature_and_not_after_a_kind_of_type()
    {
        var files = await Repository.FilesAsync();

        var banned = files.Where(file => file.StartsWith("AiBackend.") && file.Split('/').SkipLast(1).Any(BannedFolders.Contains));
        Findings.None("Name the folder after what it is about.", banned);
    }

    [Fact]
    public async Task A_program_only_names_its_steps()
    {
        var files = await Repository.FilesAsync();

        var programs = files.Where(file => Path.GetFileName(file) == "Program.cs").ToList();
        Assert.NotEmpty(programs);
        Assert.DoesNotContain(programs, program => File.ReadLines(Repository.Full(program)).Count() > MaxProgramLines);
    }

    [Fact]
    public async Task D_16_no_source_but_one_knows_a_switch_that_lets_content_into_telemetry()
    {
        var files = await Repository.FilesAsync();

        var switches = files
            .Where(file => Sources.Contains(Path.GetExtension(file)) || file.EndsWith(".json"))
            .Where(file => !file.StartsWith("AiBackend.Tests/"))
            .Where(file =>
                Regex.IsMatch(Repository.Read(file), "CAPTURE_MESSAGE_CONTENT|EnableSensitiveData|CaptureContent", RegexOptions.IgnoreCase)
            )
            .ToList();

        const string Telemetry = "AiBackend.ServiceDefaults/Telemetry";
        Assert.Contains($"{Telemetry}/ContentCapture.cs", switches);
        Findings.None(
            "Content leaves no process by telemetry, whoever asks (docs/adr/0033).",
            // The warning names it.
            switches.Except([$"{Telemetry}/ContentCapture.cs", $"{Telemetry}/TelemetryLog.cs"])
        );
    }

    [Fact]
    public async Task Every_suppression_says_why()
    {
        var files = await Repository.FilesAsync();

        var silent = files
            .Where(file => file.EndsWith(".cs"))
            .SelectMany(file => File.ReadLines(Repository.Full(file)).Select(line => (file, line)))
            .Where(source => Regex.IsMatch(source.line, @"^\s*#pragma warning disable [\w, ]+$"));
        Findings.None("Say why on the same line: #pragma warning disable X // reason", silent);
    }
}
