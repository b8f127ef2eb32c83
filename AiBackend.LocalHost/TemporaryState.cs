using System.Security.Cryptography;
using AiBackend.LocalHost.Supervision;

namespace AiBackend.LocalHost;

/// <summary>State directories that live as long as one test application, and the remains of those whose test run was killed.</summary>
public static class TemporaryState
{
    private const string Prefix = "aibackend-teststack-";

    internal static bool IsTemporary(string stateDirectory) =>
        Path.GetFileName(stateDirectory).StartsWith(Prefix, StringComparison.Ordinal);

    /// <summary>A name for a new one, to be given as <c>AIBACKEND_STATE_DIR</c>; the application that used it deletes it.</summary>
    public static string NewPath() => Path.Combine(Path.GetTempPath(), Prefix + RandomNumberGenerator.GetHexString(12, lowercase: true));

    /// <summary>Ends the processes and deletes the directories of test applications that nobody owns any more.</summary>
    public static async Task SweepAsync(CancellationToken cancellationToken)
    {
        foreach (var path in Directory.GetDirectories(Path.GetTempPath(), Prefix + "*"))
        {
            try
            {
                using var state = StateDirectory.TryOpen(path);
                if (state is not null)
                {
                    await state.Ledger.ReapAsync(cancellationToken);
                    state.Delete();
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Another user's, or just being removed by its owner.
            }
        }
    }
}
