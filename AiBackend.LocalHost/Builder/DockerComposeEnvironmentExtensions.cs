using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Docker;

namespace Aspire.Hosting
{
    public static class DockerComposeEnvironmentExtensions
    {
        /// <summary>Compiles, so that the AppHost is one source; only publishing reaches it, and this host does not publish.</summary>
        public static IResourceBuilder<DockerComposeEnvironmentResource> AddDockerComposeEnvironment(
            this IDistributedApplicationBuilder builder,
            string name
        ) =>
            throw new DistributedApplicationException(
                $"Docker Compose environment '{name}': {DistributedApplication.PublishingNeedsAspire}"
            );

        /// <inheritdoc cref="AddDockerComposeEnvironment"/>
        public static IResourceBuilder<DockerComposeEnvironmentResource> WithDashboard(
            this IResourceBuilder<DockerComposeEnvironmentResource> builder,
            bool enabled = true
        ) => enabled ? throw new DistributedApplicationException(DistributedApplication.PublishingNeedsAspire) : builder;
    }
}

namespace Aspire.Hosting.Docker
{
    public sealed class DockerComposeEnvironmentResource(string name) : Resource(name);
}
