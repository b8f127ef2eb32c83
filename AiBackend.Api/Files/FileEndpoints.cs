using AiBackend.Api.Auth;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Problems;
using AiBackend.Api.Repeats;
using AiBackend.ApiContracts.Files;
using static AiBackend.Api.OpenApi.DescribedParameter;

namespace AiBackend.Api.Files;

/// <summary>Files at a glance: what jobs are given, and what they have made.</summary>
internal static class FileEndpoints
{
    private static readonly DescribedParameter Id = Path("id", "The file.");

    public static void AddFileRequests(this IHostApplicationBuilder builder) =>
        builder.Services.AddSingleton<Uploads>().AddSingleton<FileRequests>();

    public static void MapFiles(this IEndpointRouteBuilder app)
    {
        var group = app.MapGroup(FileRequests.Address).WithTags("Files");
        var requests = app.ServiceProvider.GetRequiredService<FileRequests>();
        MapLists(group, requests);
        MapOne(group, requests);
    }

    private static void MapLists(RouteGroupBuilder group, FileRequests requests)
    {
        group
            .MapPost("", requests.UploadAsync)
            .KnowsRepeats()
            .RequireAuthorization(Policies.WriteJobs)
            .Describe(
                "UploadFile",
                "Upload a file",
                """
                `multipart/form-data` with the content in the field `file` and, if it is to go at another time than in 30 days, `expires_after` in
                seconds. What it is is found out from its bytes. Equal files of a tenant take room once.
                """,
                [Header("Idempotency-Key", "A repeat with the same key and content answers with the file of the first.")],
                ProblemTypes.UnknownMember,
                ProblemTypes.DuplicateMember,
                ProblemTypes.InvalidValue,
                ProblemTypes.BodyTooLarge,
                ProblemTypes.UnsupportedMediaType,
                ProblemTypes.FilesFull,
                ProblemTypes.MalformedIdempotencyKey,
                ProblemTypes.IdempotencyKeyReused,
                ProblemTypes.RequestInProgress
            )
            .Answers<TenantFile>(StatusCodes.Status201Created, "The file.")
            .TakesForm();
        group
            .MapGet("", requests.ListAsync)
            .RequireAuthorization(Policies.ReadJobs)
            .Describe(
                "ListFiles",
                "List files",
                "Newest first.",
                [
                    Query("purpose", "Only files for this: `attachment`, `artifact`, `batch` or `batch_output`."),
                    QueryNumber("limit", "Files on a page, 1 to 200; 50 by default."),
                    Query("cursor", "`next_cursor` of the page before."),
                ],
                ProblemTypes.InvalidValue,
                ProblemTypes.BadCursor
            )
            .Answers<TenantFileList>(StatusCodes.Status200OK, "A page.");
    }

    private static void MapOne(RouteGroupBuilder group, FileRequests requests)
    {
        group
            .MapGet("/{id}", requests.GetAsync)
            .RequireAuthorization(Policies.ReadJobs)
            .Describe("GetFile", "Get a file", "Without its content.", [Id], ProblemTypes.FileNotFound)
            .Answers<TenantFile>(StatusCodes.Status200OK, "The file.");
        group
            .MapGet("/{id}/content", requests.ContentAsync)
            .RequireAuthorization(Policies.ReadJobs)
            .Describe(
                "GetFileContent",
                "Get a file's content",
                "As an attachment, whatever it is: no browser shows it as a page of this address.",
                [Id],
                ProblemTypes.FileNotFound
            )
            .Means(StatusCodes.Status200OK, "The bytes.");
        group
            .MapDelete("/{id}", requests.DeleteAsync)
            .RequireAuthorization(Policies.WriteJobs)
            .Describe(
                "DeleteFile",
                "Delete a file",
                "Its bytes go with the last file that has them.",
                [Id],
                ProblemTypes.FileNotFound,
                ProblemTypes.FileInUse
            )
            .Means(StatusCodes.Status204NoContent, "It is gone.");
    }
}
