using System.Collections.Concurrent;
using System.Security.Cryptography;
using AiBackend.LocalHost.Supervision;
using Aspire.Hosting.ApplicationModel;

namespace AiBackend.LocalHost.Programs;

/// <summary>A program of the solution or any other: its command, arguments, environment and HTTP health check.</summary>
internal sealed class ProgramRecipe(IResource resource, string configuration, ProgramEnvironment environment, HttpMessageInvoker http)
    : IProcessRecipe
{
    private const string SuffixLetters = "abcdefghijklmnopqrstuvwxyz0123456789";

    private readonly HttpHealthCheckAnnotation? _healthCheck = resource.Annotations.OfType<HttpHealthCheckAnnotation>().LastOrDefault();
    private readonly ConcurrentDictionary<string, string> _instanceIds = new();

    public bool HasHealthCheck => _healthCheck is not null;

    public Signal StopSignal => Signal.Terminate;

    /// <summary>A program nobody connects to is a worker with work to hand back; a server only has answers to finish.</summary>
    public TimeSpan StopGrace => TimeSpan.FromSeconds(resource.Endpoints().Any() ? 3 : 6);

    public IReadOnlyList<string> Children => [];

    public Task PrepareAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task<ProcessSpec> DescribeAsync(string replicaId, CancellationToken cancellationToken)
    {
        var profile = resource is ProjectResource { Metadata: var metadata } ? LaunchProfile.Read(metadata.ProjectPath) : null;
        var (program, workingDirectory) = resource switch
        {
            ProjectResource project => (
                BuiltProgram.Find(project.Metadata.ProjectPath, configuration),
                Path.GetDirectoryName(project.Metadata.ProjectPath)!
            ),
            ExecutableResource executable => (executable.Command, executable.WorkingDirectory),
            _ => throw new System.Diagnostics.UnreachableException($"{resource.GetType()} is not a program."),
        };
        var given = resource.Annotations.OfType<ArgumentsAnnotation>().SelectMany(a => a.Arguments).ToList();
        var instanceId = _instanceIds.GetOrAdd(replicaId, _ => RandomNumberGenerator.GetString(SuffixLetters, 8));
        var variables = await environment.ForAsync(resource, profile, instanceId, cancellationToken);
        return new(program, given.Count > 0 ? given : profile?.Arguments ?? [], workingDirectory, variables);
    }

    public async Task<bool> IsHealthyAsync(CancellationToken cancellationToken)
    {
        var check = _healthCheck!;
        var endpoint = resource.Endpoints().First(e => e.Name == (check.EndpointName ?? "http"));
        var url = new Uri(new Uri(new EndpointReference((IResourceWithEndpoints)resource, endpoint.Name).Url), check.Path);
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        using var response = await http.SendAsync(request, cancellationToken);
        return (int)response.StatusCode == check.StatusCode;
    }

    public Task BecameHealthyAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
