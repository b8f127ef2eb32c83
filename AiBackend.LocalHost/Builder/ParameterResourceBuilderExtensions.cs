using Aspire.Hosting.ApplicationModel;

namespace Aspire.Hosting;

public static class ParameterResourceBuilderExtensions
{
    public static IResourceBuilder<ParameterResource> AddParameter(
        this IDistributedApplicationBuilder builder,
        string name,
        bool secret = false
    )
    {
        var configuration = builder.Configuration;
        return builder.AddResource(
            new ParameterResource(
                name,
                () =>
                    configuration[$"Parameters:{name}"]
                    ?? configuration[$"Parameters:{name.Replace('-', '_')}"]
                    ?? throw new DistributedApplicationException(
                        $"Parameter '{name}' has no value. Set the environment variable Parameters__{name.Replace('-', '_')}."
                    ),
                secret
            )
        );
    }
}
