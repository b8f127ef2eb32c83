using System.Globalization;

namespace AiBackend.AppHost;

internal static class WorkerCount
{
    private const string Key = "AiBackend:Workers";
    private const int Standard = 2;
    private const int Most = 64;

    /// <summary>How many workers run: two, so that one may die, unless the configuration of the AppHost says otherwise.</summary>
    public static int Of(IDistributedApplicationBuilder builder) =>
        builder.Configuration[Key] is not { Length: > 0 } given ? Standard
        : int.TryParse(given, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count is > 0 and <= Most ? count
        : throw new DistributedApplicationException(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{Key} is '{given}'. It must be a number from 1 to {Most}, for example {Standard}."
            )
        );
}
