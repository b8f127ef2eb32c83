using System.Text.Encodings.Web;

namespace AiBackend.Web.Account;

/// <summary>The pages of who is not signed in: plain documents, because there is no circuit without a session.</summary>
internal static class AccountPages
{
    public static string SignIn(string field, string token, string returnUrl, string? failure) =>
        Page(
            "Sign in",
            $"""
            {Failure(failure)}
            <form method="post" action="/account/sign-in">
              {Hidden(field, token)}
              {Hidden("returnUrl", returnUrl)}
              {Field("email", "E-mail address", "email", "username")}
              {Field("password", "Password", "password", "current-password")}
              <button type="submit">Sign in</button>
            </form>
            """
        );

    public static string SetUp(string field, string token, string? failure) =>
        Page(
            "Make the first administrator",
            $"""
            <p>Nobody can sign in here yet. The token is in the log of the Api; at a desk, the development key does as well.</p>
            {Failure(failure)}
            <form method="post" action="/account/set-up">
              {Hidden(field, token)}
              {Field("token", "Set-up token", "password", "off")}
              {Field("email", "Your e-mail address", "email", "username")}
              {Field("password", "Your password, 12 characters or more", "password", "new-password")}
              <button type="submit">Make administrator</button>
            </form>
            """
        );

    private static string Failure(string? failure) =>
        failure is null ? "" : $"""<p class="notice notice-failed" role="alert">{Safe(failure)}</p>""";

    private static string Hidden(string name, string value) => $"""<input type="hidden" name="{Safe(name)}" value="{Safe(value)}">""";

    private static string Field(string name, string label, string type, string complete) =>
        $"""
            <p class="field"><label for="{name}">{label}</label>
            <input id="{name}" name="{name}" type="{type}" autocomplete="{complete}" required maxlength="200"></p>
            """;

    private static string Safe(string text) => HtmlEncoder.Default.Encode(text);

    private static string Page(string title, string content) =>
        $"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
              <meta charset="utf-8">
              <meta name="viewport" content="width=device-width, initial-scale=1">
              <meta name="color-scheme" content="light dark">
              <title>{title} · AiBackend</title>
              <link rel="icon" href="/favicon.svg" type="image/svg+xml">
              <link rel="stylesheet" href="/css/tokens.css">
              <link rel="stylesheet" href="/css/app.css">
              <link rel="stylesheet" href="/css/shell.css">
              <link rel="stylesheet" href="/css/account.css">
            </head>
            <body>
              <main class="alone account">
                <h1>{title}</h1>
                {content}
              </main>
            </body>
            </html>
            """;
}
