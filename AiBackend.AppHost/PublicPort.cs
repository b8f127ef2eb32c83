using System.Globalization;

namespace AiBackend.AppHost;

internal static class PublicPort
{
    /// <summary>An HTTP endpoint for people, on a port that a variable of the AppHost's environment may move.</summary>
    public static IResourceBuilder<ProjectResource> WithPublicPort(
        this IResourceBuilder<ProjectResource> program,
        string variable,
        int standard
    )
    {
        var given = program.ApplicationBuilder.Configuration[variable];
        return program.WithHttpEndpoint(port: string.IsNullOrEmpty(given) ? standard : Parse(variable, given)).WithExternalHttpEndpoints();
    }

    private static int Parse(string variable, string given) =>
        int.TryParse(given, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and <= ushort.MaxValue
            ? port
            : throw new DistributedApplicationException(
                $"{variable} is '{given}'. It must be a port number from 1 to 65535, for example 5180."
            );
}
