using System.Collections;
using System.Globalization;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.Hosting;

namespace AiBackend.LocalHost.Programs;

/// <summary>The environment a process is given: this host's own, then what Aspire would set, then what the AppHost says.</summary>
internal sealed class ProgramEnvironment(IDistributedApplicationBuilder application)
{
    // These describe the AppHost and would be wrong for its children; Aspire does not pass them on either.
    private static readonly string[] NotInherited =
    [
        "ASPNETCORE_URLS",
        "DOTNET_LAUNCH_PROFILE",
        "ASPNETCORE_ENVIRONMENT",
        "DOTNET_ENVIRONMENT",
    ];

    private static readonly (string Name, string Value)[] WhenDeveloping =
    [
        ("OTEL_BLRP_SCHEDULE_DELAY", "1000"),
        ("OTEL_BSP_SCHEDULE_DELAY", "1000"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "1000"),
        ("OTEL_TRACES_SAMPLER", "always_on"),
        ("OTEL_METRICS_EXEMPLAR_FILTER", "trace_based"),
    ];

    /// <summary>Servers get a plain one: a locale that does not exist on the machine keeps Redis from starting.</summary>
    public static Dictionary<string, string> ForServer() =>
        new() { ["PATH"] = Environment.GetEnvironmentVariable("PATH") ?? "", ["LC_ALL"] = "C.UTF-8" };

    public async Task<Dictionary<string, string>> ForAsync(
        IResource resource,
        LaunchProfile? profile,
        string instanceId,
        CancellationToken cancellationToken
    )
    {
        Dictionary<string, object> variables = [];
        if (resource is ProjectResource)
        {
            AddProjectDefaults(variables, resource, profile, instanceId);
        }

        var context = new EnvironmentCallbackContext(application.ExecutionContext, variables);
        foreach (var annotation in resource.Annotations.OfType<EnvironmentCallbackAnnotation>())
        {
            annotation.Callback(context);
        }

        var environment = Inherited();
        foreach (var (name, value) in variables)
        {
            environment[name] = value is IValueProvider provider
                ? await provider.GetValueAsync(cancellationToken) ?? ""
                : Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
        }

        return environment;
    }

    private void AddProjectDefaults(Dictionary<string, object> variables, IResource resource, LaunchProfile? profile, string instanceId)
    {
        if (profile is not null)
        {
            variables["DOTNET_LAUNCH_PROFILE"] = profile.Name;
            foreach (var (name, value) in profile.Environment)
            {
                variables[name] = value;
            }
        }

        variables["DOTNET_ROOT"] = BuiltProgram.DotnetRoot();
        variables["DOTNET_SYSTEM_CONSOLE_ALLOW_ANSI_COLOR_REDIRECTION"] = "true";
        variables["LOGGING__CONSOLE__FORMATTERNAME"] = "simple";
        variables["LOGGING__CONSOLE__FORMATTEROPTIONS__SINGLELINE"] = "true";
        AddTelemetry(variables, resource, instanceId);
        var urls = resource
            .Endpoints()
            .Where(e => e.UriScheme == "http")
            .Select(e => new EndpointReference((IResourceWithEndpoints)resource, e.Name).Url);
        if (string.Join(';', urls) is { Length: > 0 } joined)
        {
            variables.TryAdd("ASPNETCORE_URLS", joined);
        }
    }

    private void AddTelemetry(Dictionary<string, object> variables, IResource resource, string instanceId)
    {
        var attributes = application.Configuration["OTEL_RESOURCE_ATTRIBUTES"];
        variables["OTEL_SERVICE_NAME"] = resource.Name;
        variables["OTEL_RESOURCE_ATTRIBUTES"] =
            $"service.instance.id={instanceId}" + (string.IsNullOrEmpty(attributes) ? "" : "," + attributes);

        // Without a dashboard there is no endpoint of our own to give; one in this host's environment is inherited.
        if (application.Configuration["ASPIRE_DASHBOARD_OTLP_ENDPOINT_URL"] is { Length: > 0 } grpc)
        {
            variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = grpc;
            variables["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc";
        }
        else if (application.Configuration["ASPIRE_DASHBOARD_OTLP_HTTP_ENDPOINT_URL"] is { Length: > 0 } http)
        {
            variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = http;
            variables["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf";
        }

        if (application.Configuration["AppHost:OtlpApiKey"] is { Length: > 0 } key)
        {
            variables["OTEL_EXPORTER_OTLP_HEADERS"] = $"x-otlp-api-key={key}";
        }

        if (application.Environment.IsDevelopment())
        {
            foreach (var (name, value) in WhenDeveloping)
            {
                variables[name] = value;
            }
        }
    }

    private static Dictionary<string, string> Inherited() =>
        Environment
            .GetEnvironmentVariables()
            .Cast<DictionaryEntry>()
            .Where(e => !NotInherited.Contains((string)e.Key))
            .ToDictionary(e => (string)e.Key, e => (string?)e.Value ?? "");
}
