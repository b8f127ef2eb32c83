using System.Globalization;
using AiBackend.Api.Auth;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.OpenApi;

namespace AiBackend.Api.OpenApi;

/// <summary>Writes what <see cref="DescribedOperation"/> says into the document.</summary>
internal sealed class DescribeOperation : IOpenApiOperationTransformer
{
    public async Task TransformAsync(
        OpenApiOperation operation,
        OpenApiOperationTransformerContext context,
        CancellationToken cancellationToken
    )
    {
        var described = context.Description.ActionDescriptor.EndpointMetadata.OfType<DescribedOperation>().Single();
        operation.Description += Access(context.Description.ActionDescriptor.EndpointMetadata);
        operation.Parameters = [.. JobParameter(context, described), .. described.AllParameters.Select(Parameter)];
        foreach (var (status, response) in operation.Responses ?? [])
        {
            var code = int.Parse(status, CultureInfo.InvariantCulture);
            var problems = described.AllProblems.Where(problem => problem.Status == code).ToList();
            response.Description =
                problems.Count > 0
                    ? string.Join(' ', problems.Select(problem => $"{problem.Title} (`{problem.Code}`)."))
                    : described.Successes.GetValueOrDefault(code, response.Description ?? "");
        }

        if (described.Streams)
        {
            ((OpenApiResponse)operation.Responses!["200"]).Content!["text/event-stream"] = new OpenApiMediaType
            {
                Schema = new OpenApiSchema { Type = JsonSchemaType.String, Description = "The events of a JobEvent's types, as text." },
            };
        }

        if (described.Body is { } body)
        {
            await AddBodyAsync(context, body, cancellationToken);
            operation.RequestBody = new OpenApiRequestBody
            {
                Required = !described.BodyIsOptional,
                Content = new Dictionary<string, OpenApiMediaType>(StringComparer.Ordinal)
                {
                    ["application/json"] = new() { Schema = new OpenApiSchemaReference(body.Name, context.Document) },
                },
            };
        }

        if (described.TakesForm)
        {
            operation.RequestBody = Form();
        }

        operation.Responses ??= [];
        foreach (var (status, meaning) in described.Successes)
        {
            // Those without a body have no type from which the framework would know them.
            operation.Responses.TryAdd(status.ToString(CultureInfo.InvariantCulture), new OpenApiResponse { Description = meaning });
        }

        var sorted = new OpenApiResponses();
        foreach (var (status, response) in operation.Responses.OrderBy(response => response.Key, StringComparer.Ordinal))
        {
            sorted.Add(status, response);
        }

        operation.Responses = sorted;
    }

    private static OpenApiRequestBody Form() =>
        new()
        {
            Required = true,
            Content = new Dictionary<string, OpenApiMediaType>(StringComparer.Ordinal)
            {
                ["multipart/form-data"] = new()
                {
                    Schema = new OpenApiSchema
                    {
                        Type = JsonSchemaType.Object,
                        Required = new HashSet<string>(StringComparer.Ordinal) { "file" },
                        Properties = new Dictionary<string, IOpenApiSchema>(StringComparer.Ordinal)
                        {
                            ["file"] = new OpenApiSchema
                            {
                                Type = JsonSchemaType.String,
                                Format = "binary",
                                Description = "The content, with a file name.",
                            },
                            ["expires_after"] = new OpenApiSchema
                            {
                                Type = JsonSchemaType.Integer,
                                Description = "Seconds until it goes by itself, 3600 to 2592000; 30 days when it is left out.",
                            },
                        },
                    },
                },
            },
        };

    /// <summary>The framework knows the types of answers; those of bodies it is told of here.</summary>
    private static async Task AddBodyAsync(OpenApiOperationTransformerContext context, Type body, CancellationToken cancellationToken)
    {
        var document = context.Document!;
        if (document.Components?.Schemas?.ContainsKey(body.Name) != true)
        {
            var schema = await context.GetOrCreateSchemaAsync(body, null, cancellationToken);
            schema.AdditionalPropertiesAllowed = false;
            document.AddComponent(body.Name, schema);
        }
    }

    /// <summary>Who may do it.</summary>
    private static string Access(IList<object> metadata)
    {
        if (metadata.OfType<IAllowAnonymous>().Any())
        {
            return " Needs no key.";
        }

        var policies = metadata
            .OfType<IAuthorizeData>()
            .Select(data => data.Policy)
            .OfType<string>()
            .Distinct(StringComparer.Ordinal)
            .ToList();
        var scopes = policies.Where(Policies.Scopes.Contains).Select(scope => $"`{scope}`").ToList();
        return (scopes.Count == 0 ? " Any key may." : $" Needs the scope {string.Join(" and ", scopes)}.")
            + (policies.Contains(Policies.Operators) ? " Only for keys of the operators' tenant." : "");
    }

    /// <summary>Most addresses name a job; the others describe what they name.</summary>
    private static IEnumerable<OpenApiParameter> JobParameter(OpenApiOperationTransformerContext context, DescribedOperation described) =>
        context.Description.RelativePath!.Contains("{id}", StringComparison.Ordinal)
        && described.Parameters.All(parameter => parameter.In != ParameterLocation.Path)
            ?
            [
                new OpenApiParameter
                {
                    Name = "id",
                    In = ParameterLocation.Path,
                    Required = true,
                    Description = "The job.",
                    Schema = new OpenApiSchema { Type = JsonSchemaType.String, Format = "uuid" },
                },
            ]
            : [];

    private static OpenApiParameter Parameter(DescribedParameter parameter)
    {
        var schema = new OpenApiSchema { Type = parameter.Type };
        return new OpenApiParameter
        {
            Name = parameter.Name,
            In = parameter.In,
            Description = parameter.Description,
            Required = parameter.In == ParameterLocation.Path,
            Schema = parameter.Repeatable ? new OpenApiSchema { Type = JsonSchemaType.Array, Items = schema } : schema,
            Explode = parameter.Repeatable,
        };
    }
}
