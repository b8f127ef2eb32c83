namespace AiBackend.Core.Faults;

/// <summary>Places between two steps of a job's life at which a test can end, freeze or delay the process.</summary>
/// <remarks>The numbers are those of the reliability paper. Those missing belong to features that do not exist yet.</remarks>
public enum FaultPoint
{
    /// <summary>Submit: before its transaction.</summary>
    K1 = 1,

    /// <summary>Submit: the statement is sent, its reply not read. It is one statement, so only Postgres knows whether it is committed.</summary>
    K2 = 2,

    /// <summary>Submit: committed, not answered.</summary>
    K3 = 3,

    /// <summary>Submit: the answer is on its way, the queue not told.</summary>
    K4 = 4,

    /// <summary>The ready stream has the job, and nobody was told that it has.</summary>
    K5 = 5,

    /// <summary>Worker: an entry is read, its job not claimed.</summary>
    K6 = 6,

    /// <summary>Worker: claimed, no provider called.</summary>
    K7 = 7,

    /// <summary>Worker: the call is in the ledger, not sent.</summary>
    K8 = 8,

    /// <summary>Worker: the provider has the request, no token has come.</summary>
    K9 = 9,

    /// <summary>Worker: a piece of text has come. The second hit of a job is the middle of its stream.</summary>
    K10 = 10,

    /// <summary>Worker: the stream has ended, the outcome is not stored.</summary>
    K11 = 11,

    /// <summary>Worker: the outcome is committed, the queue entry not acknowledged.</summary>
    K12 = 12,

    /// <summary>Worker: the queue entry is acknowledged.</summary>
    K13 = 13,

    /// <summary>Worker: a tool has answered, and its answer is not written down.</summary>
    K14 = 14,

    /// <summary>Worker: what has ended and begun of a run is written down, the jobs of its steps are not submitted.</summary>
    K15 = 15,

    /// <summary>Worker: about to renew leases it holds.</summary>
    K16 = 16,

    /// <summary>Worker: told to stop, jobs still running.</summary>
    K17 = 17,

    /// <summary>Leader: a batch of a bulk action is committed, nobody was told of it.</summary>
    K18 = 18,

    /// <summary>Migration: a file is applied, not committed.</summary>
    K20 = 20,

    /// <summary>A wait's answer is committed, nobody was told of it.</summary>
    K21 = 21,

    /// <summary>Leader: passages were turned into vectors, which are not stored.</summary>
    K30 = 30,

    /// <summary>Api: a piece of a file is stored, and the file is not whole.</summary>
    K31 = 31,

    /// <summary>Api: what a request makes is made with the answer that is kept of it, and neither is committed.</summary>
    K32 = 32,

    /// <summary>Api: both are committed, and nobody was told.</summary>
    K33 = 33,

    /// <summary>Api: the statement that puts a document in place of another is sent, its reply not read. Only Postgres knows whether it is committed.</summary>
    K34 = 34,

    /// <summary>Api: a client's result of a tool is committed, and its job was not told.</summary>
    K35 = 35,
}
