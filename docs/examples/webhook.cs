// In a project of the Web SDK (dotnet new web).
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

var secret = Convert.FromBase64String(Environment.GetEnvironmentVariable("WEBHOOK_SECRET")!["whsec_".Length..]);
var seen = new HashSet<string>(); // Keep it where it survives: a message may come twice.

bool IsGenuine(IHeaderDictionary headers, byte[] body)
{
    var age = DateTimeOffset.UtcNow.ToUnixTimeSeconds() - (long.TryParse(headers["webhook-timestamp"], out var sentAt) ? sentAt : 0);
    byte[] signed = [.. Encoding.UTF8.GetBytes($"{headers["webhook-id"]}.{headers["webhook-timestamp"]}."), .. body];
    var expected = Encoding.UTF8.GetBytes("v1," + Convert.ToBase64String(HMACSHA256.HashData(secret, signed)));
    // Several signatures while a secret is rotated; one is enough.
    return Math.Abs(age) < 300
        && headers["webhook-signature"]
            .ToString()
            .Split(' ')
            .Any(given => CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(given), expected));
}

var app = WebApplication.Create(args);
app.MapPost(
    "/ai",
    async (HttpRequest request) =>
    {
        using var body = new MemoryStream();
        await request.Body.CopyToAsync(body); // Byte for byte: what is parsed and written again is signed otherwise.
        if (!IsGenuine(request.Headers, body.ToArray()))
        {
            return Results.Unauthorized();
        }

        if (seen.Add(request.Headers["webhook-id"]!))
        {
            var message = JsonDocument.Parse(body.ToArray()).RootElement;
            Console.WriteLine($"{message.GetProperty("type")} {message.GetProperty("data").GetProperty("id")}");
        }

        return Results.NoContent();
    }
);
await app.RunAsync(Environment.GetEnvironmentVariable("RECEIVER") ?? "http://localhost:8080");
