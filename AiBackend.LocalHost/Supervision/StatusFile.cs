using System.Globalization;
using System.Text;
using System.Text.Json;
using Aspire.Hosting.ApplicationModel;

namespace AiBackend.LocalHost.Supervision;

/// <summary>
/// Keeps <c>status.json</c> in the state directory up to date for <c>run.sh</c>, which reads it without a JSON parser: one
/// resource a line, members always in this order.
/// </summary>
internal sealed class StatusFile(string path, ResourceNotificationService notifications)
{
    private readonly Lock _lock = new();
    private string _written = "";

    public string State
    {
        get;
        set
        {
            field = value;
            Write();
        }
    } = "starting";

    public void Write()
    {
        lock (_lock)
        {
            var text = Render(State, notifications.Current);
            if (text == _written)
            {
                return;
            }

            StateDirectory.WritePrivateFile(path, text);
            _written = text;
        }
    }

    private static string Render(string state, IReadOnlyList<ResourceEvent> replicas)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{{\n\"state\":\"{state}\",\"pid\":{Environment.ProcessId},\n\"resources\":[\n");
        text.AppendJoin(",\n", replicas.Select(RenderOne));
        return text.Append("\n]}\n").ToString();
    }

    private static string RenderOne(ResourceEvent replica)
    {
        var snapshot = replica.Snapshot;
        var health = snapshot.IsHealthy switch
        {
            true => "healthy",
            false => "unhealthy",
            null => "-",
        };
        var url =
            replica.Resource is IResourceWithEndpoints withEndpoints
            && replica.Resource.Endpoints().FirstOrDefault(e => e is { UriScheme: "http", AllocatedPort: not null }) is { } endpoint
                ? new EndpointReference(withEndpoints, endpoint.Name).Url
                : "";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{{\"name\":\"{JsonEncodedText.Encode(replica.ResourceId)}\",\"state\":\"{snapshot.State?.Text}\",\"pid\":{snapshot.ProcessId ?? 0},\"health\":\"{health}\",\"exit_code\":{snapshot.ExitCode?.ToString(CultureInfo.InvariantCulture) ?? "null"},\"restarts\":{snapshot.RestartCount},\"url\":\"{url}\"}}"
        );
    }
}
