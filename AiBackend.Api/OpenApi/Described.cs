using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Problems;
using AiBackend.Api.Repeats;
using AiBackend.ApiContracts;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.OpenApi;

namespace AiBackend.Api.OpenApi;

/// <summary>A parameter of an address or a header.</summary>
/// <param name="Name">As it is sent.</param>
/// <param name="In">Where it is sent.</param>
/// <param name="Type">Its JSON Schema type.</param>
/// <param name="Description">What it does, with default and bounds.</param>
internal sealed record DescribedParameter(string Name, ParameterLocation In, JsonSchemaType Type, string Description)
{
    /// <summary>Whether it may be given several times.</summary>
    public bool Repeatable { get; init; }

    public static DescribedParameter Query(string name, string description) =>
        new(name, ParameterLocation.Query, JsonSchemaType.String, description);

    public static DescribedParameter QueryNumber(string name, string description) =>
        new(name, ParameterLocation.Query, JsonSchemaType.Integer, description);

    public static DescribedParameter Path(string name, string description) =>
        new(name, ParameterLocation.Path, JsonSchemaType.String, description);

    public static DescribedParameter Header(string name, string description) =>
        new(name, ParameterLocation.Header, JsonSchemaType.String, description);
}

/// <summary>What the OpenAPI document says about an operation beyond its types. One of these on every documented endpoint.</summary>
/// <param name="Parameters">Its parameters; an <c>id</c> in its path that is a job describes itself.</param>
/// <param name="Problems">Every problem it answers with.</param>
internal sealed record DescribedOperation(IReadOnlyList<DescribedParameter> Parameters, IReadOnlyList<ProblemType> Problems)
{
    /// <summary>What each success means, by status.</summary>
    public Dictionary<int, string> Successes { get; } = [];

    /// <summary>The contract of its body; null when it has none.</summary>
    public Type? Body { get; set; }

    /// <summary>Whether it can come without its body.</summary>
    public bool BodyIsOptional { get; set; }

    /// <summary>Whether its body is a form with a file.</summary>
    public bool TakesForm { get; set; }

    /// <summary>Whether it is done once for an <c>Idempotency-Key</c>, without knowing (<see cref="RepeatedPosts"/>).</summary>
    public bool IsRepeatable { get; set; }

    /// <summary>Its own problems, and those of keys for repeats.</summary>
    public IEnumerable<ProblemType> AllProblems => IsRepeatable ? Problems.Concat(RepeatedPosts.Problems).Distinct() : Problems;

    /// <summary>Its own parameters, and that key.</summary>
    public IEnumerable<DescribedParameter> AllParameters => IsRepeatable ? Parameters.Append(RepeatKey) : Parameters;

    private static DescribedParameter RepeatKey { get; } =
        DescribedParameter.Header(
            IdempotencyKey.Header,
            "The same key with the same body, from the same caller within 24 hours, is answered as then, with `Idempotent-Replayed: true`, and does nothing again."
        );

    /// <summary>Whether its 200 is a stream of server-sent events unless JSON is asked for.</summary>
    public bool Streams { get; set; }
}

/// <summary>Describes endpoints that read their requests themselves, for which the framework could infer nothing.</summary>
internal static class DescribingEndpoints
{
    // Whatever the operation, these can happen to it.
    private static readonly ProblemType[] Everywhere =
    [
        ProblemTypes.UnknownQueryParameter,
        ProblemTypes.Unauthorized,
        ProblemTypes.MissingScope,
        ProblemTypes.OtherTenant,
        ProblemTypes.AddressLimitReached,
        ProblemTypes.TenantLimitReached,
        ProblemTypes.TooManyAttempts,
        ProblemTypes.InternalError,
        ProblemTypes.StorageUnavailable,
    ];

    /// <summary>Adds name, texts, parameters and problems.</summary>
    public static IEndpointConventionBuilder Describe(
        this IEndpointConventionBuilder endpoint,
        string name,
        string summary,
        string description,
        IReadOnlyList<DescribedParameter>? parameters = null,
        params IReadOnlyList<ProblemType> problems
    )
    {
        var all = problems.Concat(Everywhere).Distinct().ToList();
        endpoint.WithName(name).WithSummary(summary).WithDescription(description);
        endpoint.WithMetadata(new DescribedOperation(parameters ?? [], all));
        foreach (var status in all.Select(problem => problem.Status).Distinct())
        {
            endpoint.WithMetadata(new ProducesResponseTypeMetadata(status, typeof(Problem), ["application/problem+json"]));
        }

        endpoint.Finally(DescribeRepeats);
        // The framework describes endpoints that have a method; one mapped as a request delegate does not show it by itself.
        endpoint.Add(builder => builder.Metadata.Add(builder.RequestDelegate!.Method));
        return endpoint;
    }

    // At last, when all is known that decides whether repeats are known.
    private static void DescribeRepeats(EndpointBuilder endpoint)
    {
        if (!RepeatedPosts.Knows(endpoint.Metadata))
        {
            return;
        }

        endpoint.Metadata.OfType<DescribedOperation>().Single().IsRepeatable = true;
        var described = endpoint.Metadata.OfType<IProducesResponseTypeMetadata>().Select(answer => answer.StatusCode).ToHashSet();
        foreach (var status in RepeatedPosts.Problems.Select(problem => problem.Status).Where(described.Add).ToList())
        {
            endpoint.Metadata.Add(new ProducesResponseTypeMetadata(status, typeof(Problem), ["application/problem+json"]));
        }
    }

    /// <summary>Adds a success.</summary>
    public static IEndpointConventionBuilder Answers<T>(this IEndpointConventionBuilder endpoint, int status, string meaning)
    {
        endpoint.WithMetadata(new ProducesResponseTypeMetadata(status, typeof(T), ["application/json"]));
        return endpoint.Means(status, meaning);
    }

    /// <summary>Says that the same success comes as server-sent events unless JSON is asked for.</summary>
    public static IEndpointConventionBuilder AlsoStreams(this IEndpointConventionBuilder endpoint)
    {
        endpoint.Finally(builder => builder.Metadata.OfType<DescribedOperation>().Single().Streams = true);
        return endpoint;
    }

    /// <summary>Adds a body. Not the framework's own metadata, with which routing would refuse other content types in its own words.</summary>
    public static IEndpointConventionBuilder Takes<T>(this IEndpointConventionBuilder endpoint, bool optional = false)
    {
        endpoint.Finally(builder =>
        {
            var described = builder.Metadata.OfType<DescribedOperation>().Single();
            (described.Body, described.BodyIsOptional) = (typeof(T), optional);
        });
        return endpoint;
    }

    /// <summary>Adds a form with a file as the body.</summary>
    public static IEndpointConventionBuilder TakesForm(this IEndpointConventionBuilder endpoint)
    {
        endpoint.Finally(builder => builder.Metadata.OfType<DescribedOperation>().Single().TakesForm = true);
        return endpoint;
    }

    /// <summary>Says what a status means.</summary>
    public static IEndpointConventionBuilder Means(this IEndpointConventionBuilder endpoint, int status, string meaning)
    {
        endpoint.Finally(builder => builder.Metadata.OfType<DescribedOperation>().Single().Successes[status] = meaning);
        return endpoint;
    }
}
