using Npgsql;
using NpgsqlTypes;

namespace AiBackend.Core.Database;

/// <summary>Typed array parameters for multi-row statements.</summary>
internal static class Parameter
{
    public static NpgsqlParameter<T[]> Of<T>(string name, NpgsqlDbType elementType, T[] values) =>
        new(name, NpgsqlDbType.Array | elementType) { TypedValue = values };

    /// <summary>One column of a multi-row statement: <paramref name="value"/> of every row.</summary>
    public static void AddColumn<TRow, TValue>(
        this NpgsqlParameterCollection parameters,
        string name,
        NpgsqlDbType elementType,
        IReadOnlyList<TRow> rows,
        Func<TRow, TValue> value
    )
    {
        var values = new TValue[rows.Count];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = value(rows[i]);
        }

        parameters.Add(Of(name, elementType, values));
    }
}
