using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.DataProtection;

namespace AiBackend.Web.Shell;

/// <summary>The keys with which pages sign and hide what comes back to them, such as forms' tokens: shared by all processes of the site.</summary>
internal static class PageKeys
{
    private const string Section = "PageKeys";

    /// <exception cref="InvalidOperationException">In Production no folder or no certificate is set, or the certificate cannot be read.</exception>
    public static void AddPageKeys(this IHostApplicationBuilder builder)
    {
        var settings = builder.Configuration.GetSection(Section);
        if (settings["Folder"] is not { Length: > 0 } folder)
        {
            if (builder.Environment.IsProduction())
            {
                throw new InvalidOperationException(
                    "PageKeys__Folder is not set. In Production set it to a folder that outlives the process and that all processes of the web application share; with keys of its own each would refuse the others' forms."
                );
            }

            return;
        }

        // They are made anew every 90 days, and old ones stay to read with.
        var keys = builder.Services.AddDataProtection().SetApplicationName("AiBackend.Web").PersistKeysToFileSystem(new(folder));
        if (settings["Certificate"] is { Length: > 0 } certificate)
        {
            keys.ProtectKeysWithCertificate(Load(certificate, settings["CertificatePassword"]));
        }
        else if (builder.Environment.IsProduction() && !settings.GetValue<bool>("Plain"))
        {
            throw new InvalidOperationException(
                "PageKeys__Certificate is not set. In Production the keys in PageKeys__Folder are encrypted at rest: set it to a PKCS#12 file, or PageKeys__Plain to true where the folder itself is encrypted."
            );
        }
    }

    private static X509Certificate2 Load(string path, string? password)
    {
        try
        {
            return X509CertificateLoader.LoadPkcs12FromFile(path, password);
        }
        catch (Exception failure) when (failure is System.Security.Cryptography.CryptographicException or IOException)
        {
            throw new InvalidOperationException(
                $"PageKeys__Certificate is '{path}', which is no PKCS#12 file that PageKeys__CertificatePassword opens: {failure.Message}",
                failure
            );
        }
    }
}
