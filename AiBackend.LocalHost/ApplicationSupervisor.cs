using System.Reflection;
using AiBackend.LocalHost.Programs;
using AiBackend.LocalHost.Servers;
using AiBackend.LocalHost.Supervision;
using Aspire.Hosting;
using Aspire.Hosting.ApplicationModel;
using Microsoft.Extensions.DependencyInjection;

namespace AiBackend.LocalHost;

/// <summary>Turns an application model into something that can be run: which recipe each kind of resource has.</summary>
internal static class ApplicationSupervisor
{
    public static Supervisor Create(
        IDistributedApplicationBuilder application,
        IReadOnlyList<IResource> resources,
        IServiceProvider services
    )
    {
        var environment = new ProgramEnvironment(application);
        var configuration = application.AppHostAssembly?.GetCustomAttribute<AssemblyConfigurationAttribute>()?.Configuration ?? "Debug";
        var http = new HttpMessageInvoker(new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false });
        return new(
            resources,
            HostSettings.From(application),
            RecipeFor,
            services.GetRequiredService<ResourceNotificationService>(),
            services.GetRequiredService<TimeProvider>()
        );

        IProcessRecipe? RecipeFor(IResource resource, StateDirectory state, SupervisionContext context)
        {
            if (resource is ContainerResource server)
            {
                var parameter = $"{server.Name}-password";
                var configured =
                    application.Configuration[$"Parameters:{parameter}"]
                    ?? application.Configuration[$"Parameters:{parameter.Replace('-', '_')}"];
                server.Password = new GeneratedPasswords(state).Get(parameter, configured);
            }

            return resource switch
            {
                RedisResource redis => new RedisServer(redis, state),
                PostgresServerResource postgres => new PostgresServer(postgres, state, context),
                ProjectResource or ExecutableResource => new ProgramRecipe(resource, configuration, environment, http),
                _ => null,
            };
        }
    }
}
