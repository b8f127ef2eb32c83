namespace AiBackend.Tests.Fixtures;

/// <summary>Where the tests run: a desk may lack a tool, continuous integration may not.</summary>
public static class TestRun
{
    /// <summary>True when the variable <c>CI</c> is set to anything but <c>false</c> or <c>0</c>.</summary>
    public static bool IsContinuousIntegration { get; } = Variable("CI") is { Length: > 0 } value && value is not ("false" or "0");

    /// <summary>How long the long random run lasts: 30 minutes, or <c>AIBACKEND_CHAOS_MINUTES</c> at a desk.</summary>
    public static TimeSpan ChaosDuration { get; } =
        TimeSpan.FromMinutes(
            double.TryParse(Variable("AIBACKEND_CHAOS_MINUTES"), System.Globalization.CultureInfo.InvariantCulture, out var minutes)
                ? minutes
                : 30
        );

    /// <summary>Whether papers that are written by a program are to be written instead of compared.</summary>
    public static bool RewritesPapers { get; } = Variable("AIBACKEND_REWRITE") is { Length: > 0 };

    /// <summary>Part of the path of the files whose guards are taken out, while one is worked on (<c>AIBACKEND_GUARDS_OF</c>); empty is all.</summary>
    public static string OnlyGuardsOf { get; } = Variable("AIBACKEND_GUARDS_OF") ?? "";

    // Null: nowhere.
    private static string? VerdictFolder { get; } = Variable("AIBACKEND_VERDICTS");

    /// <summary>Programs that tests start live for seconds: to compile again what is called often costs them more than it brings.</summary>
    [System.Runtime.CompilerServices.ModuleInitializer]
    internal static void StartProgramsQuickly() => Environment.SetEnvironmentVariable("DOTNET_TC_CallCounting", "0");

    /// <summary>Ends when the test is over or the run is aborted.</summary>
    public static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Has <c>test.sh</c> print something at its end.</summary>
    public static Task KeepVerdictAsync(string name, string verdict) =>
        VerdictFolder is { } folder ? File.WriteAllTextAsync(Path.Combine(folder, name), verdict + "\n", Cancel) : Task.CompletedTask;

    /// <summary>The full path of a program. Without it the test is skipped at a desk and fails in continuous integration.</summary>
    /// <param name="tool">A file name that is looked up in <paramref name="folders"/>, then in PATH.</param>
    /// <param name="folders">Places that are usually not in PATH.</param>
    public static string Require(string tool, params ReadOnlySpan<string> folders)
    {
        if (Find(tool, folders) is { } path)
        {
            return path;
        }

        var reason = $"{tool} is not installed; ./test.sh installs what the tests need.";
        // A run that quietly leaves tests out must not look green.
        Assert.SkipUnless(IsContinuousIntegration, reason);
        throw new InvalidOperationException(reason);
    }

    /// <summary>As <see cref="Require"/>, but null when the program is missing.</summary>
    public static string? Find(string tool, params ReadOnlySpan<string> folders)
    {
        foreach (var folder in (string[])[.. folders, .. (Variable("PATH") ?? "").Split(Path.PathSeparator)])
        {
            var path = Path.Combine(folder, tool);
            if (folder.Length > 0 && File.Exists(path))
            {
                return path;
            }
        }

        return null;
    }

    /// <summary>How long a long test does something, in seconds from a variable: shorter while the test itself is worked on.</summary>
    public static TimeSpan Duration(string variable, TimeSpan otherwise) =>
        double.TryParse(Variable(variable), System.Globalization.CultureInfo.InvariantCulture, out var seconds)
            ? TimeSpan.FromSeconds(seconds)
            : otherwise;

#pragma warning disable RS0030 // Here is where the tests ask the machine; there is no configuration to bind.
    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name);
#pragma warning restore RS0030
}
